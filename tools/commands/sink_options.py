"""Options that say where answers go, and the sinks that they come to."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from edge_infer.commands.answer_lines import AnswerLines
from edge_infer.commands.options import option, options_as
from edge_infer.commands.render import emit, say, warn
from edge_infer.commands.run_loop import RunEnd
from edge_infer.models_tflite.manifest import Manifest
from edge_infer.runtime.answers import AnswerReader
from edge_infer.runtime.sinks.row_files import STANDARD_OUTPUT, FileSink, StandardOutputSink
from edge_infer.runtime.sinks.sink import Sink
from edge_infer.runtime.sinks.sink_set import SinkSet
from edge_infer.runtime.sinks.sink_thread import SinkThread, reason_of


@dataclass(frozen=True)
class SinkOptions:
    """Where answers go."""

    output: tuple[Path, ...] = ()
    answers: bool = False
    top: int = 1

    @property
    def takes_standard_output(self) -> bool:
        """Whether rows go to standard output."""
        return any(str(path) == STANDARD_OUTPUT for path in self.output)

    def refuse_mixed_output(self, as_json: bool) -> None:
        """Refuse two kinds of text on standard output. Raises click.UsageError."""
        if not self.takes_standard_output:
            return
        others = [("--json", as_json), ("--answers", self.answers)]
        if sum(str(path) == STANDARD_OUTPUT for path in self.output) > 1:
            others.append(("-o - a second time", True))
        for name, given in others:
            if given:
                raise click.UsageError(
                    f"-o - and {name} write to standard output both; name a file for one of them"
                )

    def report(self, as_json: bool, document: Mapping[str, Any], text: str) -> None:
        """Print the report of a run; beside rows on standard output it goes to standard error."""
        if self.takes_standard_output:
            say(text)
        else:
            emit(as_json, document, text)


sink_options = options_as(
    "going",
    SinkOptions,
    (
        option(
            "-o",
            "--output",
            multiple=True,
            type=click.Path(path_type=Path),
            help="Log every inference: .jsonl or .csv, or - for JSON lines on standard output as "
            "they come; may be given several times.",
        ),
        option(
            "--answers",
            is_flag=True,
            help="Print a line for every input.  [default: for up to 20 inputs]",
        ),
        option(
            "--top",
            type=click.IntRange(1, 1000),
            default=1,
            show_default=True,
            help="Labels to name for each input, the likeliest first.",
        ),
    ),
)
"""Of a command that answers frames; it gets them as the argument `going`."""


def open_sinks(
    options: SinkOptions,
    reader: AnswerReader,
    end: RunEnd,
    manifest: Manifest,
    *,
    lines: bool,
    frames_wait: bool,
) -> SinkSet:
    """Open all sinks, each with its thread.

    Args:
        options: which ones.
        reader: of the bundle.
        end: of the run: told when nobody reads standard output any more.
        manifest: of the bundle.
        lines: print a line for each answer.
        frames_wait: True where a frame loses nothing by waiting for a sink.

    Raises:
        RunError: a file's suffix is neither .jsonl nor .csv.
        OSError: a file cannot be written.
    """

    def failed(sink: Sink, error: Exception) -> None:
        if isinstance(error, BrokenPipeError):
            end.reader_left = True
            end.stop()
        else:
            warn(f"{reason_of(error)}: the run goes on without it")

    exit_names = [stage.name for stage in manifest.stages]
    with ExitStack() as opening:
        sinks = [opening.enter_context(sink) for sink in _sinks(options, reader)]
        if lines:
            sinks.append(AnswerLines(reader, exit_names))
        opening.pop_all()  # from here on the threads close them
    return SinkSet(
        [
            SinkThread(sink, frames_wait=frames_wait, gives_up=end.is_near, failed=failed)
            for sink in sinks
        ]
    )


def _sinks(options: SinkOptions, reader: AnswerReader) -> Iterator[Sink]:
    for path in options.output:
        if str(path) == STANDARD_OUTPUT:
            yield StandardOutputSink(reader)
        else:
            yield FileSink(path, reader)
