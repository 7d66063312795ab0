"""Where `run` runs: an engine on this board, on a simulated one, or at the end of a serial line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edge_infer.boards import open_board
from edge_infer.boards.contract import Board
from edge_infer.boards.cost_table import CostTable
from edge_infer.boards.power import PowerSample
from edge_infer.boards.registry import check_ideal
from edge_infer.boards.timebase import Timebase
from edge_infer.commands.found_board import shown_policy
from edge_infer.commands.marker import REMOTE, open_marker
from edge_infer.commands.render import warn
from edge_infer.commands.run_options import RunPolicy
from edge_infer.models_tflite import Bundle, UnknownRatioError
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.manifest import nearest_ratio
from edge_infer.runtime.accounting.account import EnergyTotals
from edge_infer.runtime.arrivals import Arrivals
from edge_infer.runtime.board_watch import BoardWatch
from edge_infer.runtime.engine import Engine
from edge_infer.runtime.engine_contracts import LocalEngine
from edge_infer.runtime.frame_reader import LoopCounts
from edge_infer.runtime.frames.source import Source
from edge_infer.runtime.label_check import LabelVerdict
from edge_infer.runtime.run_watch import RunWatch
from edge_infer.runtime.summary import RunIdentity

if TYPE_CHECKING:
    from edge_infer.firmware_bridge.host.remote_engine import RemoteEngine

NEAREST = "nearest:"
"""What a ratio begins with that need not be one of the bundle."""


class RunEngine(LocalEngine, Protocol):
    """What a run needs of an engine, here or remote."""

    @property
    def exit_names(self) -> tuple[str, ...]:
        """Names of the stages."""
        ...

    @property
    def timebase(self) -> Timebase:
        """The time its frames arrive in."""
        ...

    @property
    def residency_ns(self) -> Mapping[int, int]:
        """Time at each clock in kHz."""
        ...

    def energy(self) -> EnergyTotals | None:
        """Return the board's energy over the run."""
        ...


@dataclass(frozen=True)
class Kernels:
    """Which kernels run, and how."""

    backend: str | None
    resolver: str
    threads: int
    ratio: str
    warmup: int = 0
    """Inferences before those that count."""


@dataclass(frozen=True)
class RunPlace:
    """An open engine and what a report says of it."""

    engine: RunEngine
    identity: RunIdentity
    metered: bool
    overhead_table: CostTable | None = None
    """A simulated board's own table; its virtual time holds no measured overhead."""
    overhead_known: bool = True
    local: Engine | None = None
    """The engine, where it runs in this process."""
    board_watch: BoardWatch | None = None
    """Looks at its board."""

    @property
    def pass_time(self) -> Callable[[int], None] | None:
        """What lets the time of a simulated board pass, in ns; None on a real one."""
        if self.local is None or not self.identity.simulated:
            return None
        timebase = self.local.timebase
        return lambda ns: timebase.sleep_until_ns(timebase.now_ns() + ns)

    def board_state(self) -> dict[str, Any] | None:
        """Return what was seen of the board; None for one at the end of a line."""
        return None if self.board_watch is None else self.board_watch.document()

    def calibration(self) -> dict[str, Any] | None:
        """Return what the governor's feedback has come to, None where there is none."""
        state = None if self.local is None else self.local.governor.state()
        return None if state is None else dict(state)

    @property
    def exits_as_calibrated(self) -> bool:
        """False where a governor may let frames leave earlier than the thresholds say."""
        return self.local is None or not self.local.governor.may_leave

    def refusals(self) -> Iterator[str]:
        """Yield what the governor asked for in mid-run and did not get, a sentence each."""
        if self.local is None:
            return
        for khz, reason in self.local.refused_clocks.items():
            yield f"{khz / 1000:g} MHz could not be set any more, so it went on without: {reason}"
        for ratio, reason in self.local.refused_ratios.items():
            yield f"the policy asked for ratio {ratio} in vain: {reason}"


def open_engine(
    stack: ExitStack,
    bundle: Bundle,
    board: str,
    policy: RunPolicy,
    kernels: Kernels,
    arrivals: Arrivals,
    deadline_ns: int | None,
    marker: str | None = None,
    operator_key: Path | None = None,
    ideal: bool = False,
    sampled: Callable[[Sequence[PowerSample]], None] | None = None,
) -> RunPlace:
    """Open the engine for a board's name; `stack` closes it.

    What the board's meter samples is given to `sampled` too.

    Raises:
        BoardError, BundleError, RunError: as `open_board` and `Engine` do; GpioError for a marker
            that cannot be driven, or on a board that has no lines here.
        LinkError: the device of "serial:PORT" is silent, runs another bundle, or refuses.
    """
    line = open_marker(stack, marker, board)
    if board.startswith(REMOTE):
        check_ideal(board, ideal)
        ratio = _ratio(bundle, kernels.ratio)
        return _remote(stack, bundle, board, policy.name, ratio, operator_key)
    backend = open_backend(kernels.backend, kernels.resolver)
    _warn_of_other_kernels(bundle, backend.info)
    place = stack.enter_context(open_board(board, ideal=ideal))
    if sampled is not None:
        from edge_infer.runtime.meter_tap import tap_meter  # few sinks take samples

        tap_meter(place, sampled)
    ratio = _ratio(bundle, kernels.ratio)
    governor = policy.governor(
        bundle, place, backend.info, arrivals, deadline_ns, kernels.threads, ratio
    )
    engine = stack.enter_context(
        Engine(
            bundle,
            place,
            policy=governor,
            backend=backend,
            ratio=ratio,
            marker=line,
            keeps_scores=True,
            warmup=kernels.warmup,
        )
    )
    identity = RunIdentity(
        bundle.manifest.name,
        bundle.manifest.version,
        place.name,
        place.simulated,
        backend.info.document(),
        shown_policy(board, policy.name),
        *_model_notes(place, engine),
    )
    table = engine.cost_table if place.simulated else None
    watch = BoardWatch(place, lambda: engine.asked_khz)
    metered = place.meter is not None
    return RunPlace(engine, identity, metered, table, local=engine, board_watch=watch)


def checked_labels(
    watch: RunWatch, place: RunPlace, source: Source, counts: LoopCounts
) -> LabelVerdict:
    """Return what answers and labels say of each other; other orders of channels are tried."""
    verdict = watch.labels()
    better = verdict.suggestion
    if not verdict.doubtful or better is not None or place.local is None or not source.repeatable:
        return verdict
    # Imported here: a run that goes well tries nothing.
    from edge_infer.runtime.frame_trials import better_frames

    found = better_frames(place.local.stages, source, counts.distinct or counts.arrived)
    return replace(verdict, suggestion=found)


def _ratio(bundle: Bundle, asked: str) -> str:
    """Return a ratio of the bundle; `nearest:0.6` is the one nearest to that."""
    if not asked.startswith(NEAREST):
        return asked
    try:
        return nearest_ratio(bundle.manifest.ratios, float(asked.removeprefix(NEAREST)))
    except ValueError:
        raise UnknownRatioError(f"{asked!r} names no ratio: write {NEAREST}0.6") from None


def _remote(
    stack: ExitStack,
    bundle: Bundle,
    board: str,
    policy: str,
    ratio: str,
    operator_key: Path | None,
) -> RunPlace:
    # Imported here: a run on this board needs no serial line and no cryptography.
    from edge_infer.firmware_bridge.host.remote_engine import open_remote_engine

    engine = stack.enter_context(
        open_remote_engine(board, policy=policy, ratio=ratio, operator_key=operator_key)
    )
    engine.check_bundle(bundle.manifest.name, bundle.manifest.version)
    identity = RunIdentity(
        bundle.manifest.name,
        bundle.manifest.version,
        f"{engine.name} ({engine.info.board})",
        engine.simulated,
        _remote_backend(engine),
        policy,
        ("the device's board is simulated",) if engine.simulated else (),
        engine.simulated,
    )
    return RunPlace(engine, identity, metered=False, overhead_known=not engine.simulated)


def _remote_backend(engine: "RemoteEngine") -> dict[str, str]:
    backend: Mapping[str, Any] = engine.info.backend
    return {key: str(backend[key]) for key in ("name", "version", "resolver", "arch")}


def _model_notes(board: Board, engine: Engine) -> tuple[Sequence[str], bool]:
    table = engine.cost_table
    if not board.simulated or table is None:
        return (), False
    return table.notes, table.synthetic


def _warn_of_other_kernels(bundle: Bundle, info: Any) -> None:
    tuned = bundle.manifest.tuned_on
    if tuned != info:
        warn(
            f"{bundle.manifest.name} was tuned on {tuned}, this is {info}: 3 to 6 % of single exit "
            "decisions may differ"
        )
