"""Where the records of a run go: the summary, the first answers, the sinks."""

from typing import Any

from edge_infer.commands.run_engine import RunPlace
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.board_watch import running_khz
from edge_infer.runtime.event_loop import EventLoop
from edge_infer.runtime.first_answers import FirstAnswers
from edge_infer.runtime.frame_reader import LoopCounts
from edge_infer.runtime.frames.source import Source
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.sinks.row import answer_document
from edge_infer.runtime.sinks.sink import RunState
from edge_infer.runtime.sinks.sink_set import SinkSet
from edge_infer.runtime.summary import RunSummary


class Recording:
    """Takes what the event loop of a run lets out.

    Args:
        place: where it runs.
        counts: of the loop.
        summary: counts all records.
        first: keeps some.
        sinks: the rest of the world.
        source: of the frames; a camera drops some itself.
    """

    def __init__(
        self,
        place: RunPlace,
        counts: LoopCounts,
        summary: RunSummary,
        first: FirstAnswers,
        sinks: SinkSet,
        source: Source,
    ) -> None:
        self._place, self._counts, self._source = place, counts, source
        self._summary, self._first, self._sinks = summary, first, sinks

    def emit(self, record: InferenceRecord) -> None:
        """Take one record whose energy is known."""
        self._summary.add(record)
        self._first.add(record)
        self._sinks.put(record)

    def drained(self) -> None:
        """Nothing comes for a moment."""
        now_ns, watch = self._place.engine.timebase.now_ns(), self._place.board_watch
        if watch is not None:
            watch.look(now_ns)
        self._sinks.drained(now_ns, self.state)

    def state(self) -> RunState:
        """Return where the run stands."""
        engine, board = self._place.engine, self._place.local and self._place.local.board
        energy = engine.energy()
        return RunState(
            at_ns=engine.timebase.now_ns(),
            clock_khz=running_khz(board) if board else 0,
            millicelsius=board.thermometer.millicelsius() if board else None,
            throttled=board.thermometer.throttled() if board else False,
            gross_nj=energy.gross_nj if energy else None,
            net_nj=energy.net_nj if energy else None,
            wall_ns=energy.wall_ns if energy else 0,
            inferences=self._summary.inferences,
            misses=self._summary.misses,
            dropped_frames=self._counts.dropped + int(getattr(self._source, "dropped", 0)),
        )

    def close(self, loop: EventLoop) -> None:
        """Let the sinks have the last state and what waits."""
        if self._place.board_watch is not None:
            self._place.board_watch.look_now()
        if loop.counts.arrived:
            self._sinks.last_state(self.state())
        self._sinks.close()

    def answers(self, reader: AnswerReader) -> list[dict[str, Any]] | None:
        """Return what each input came to, None where they are many."""
        told, names = self._first.told(), self._summary.exit_names
        if told is None:
            return None
        return [answer_document(record, reader, names[record.exit]) for record in told]
