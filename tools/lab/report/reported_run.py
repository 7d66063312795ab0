"""A run as a page tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_infer.boards.errors import TraceError
from edge_infer.lab.report.kept_frames import FrameKey, key_of
from edge_infer.lab.report.pictures import Pictures, find_source, pictures_of
from edge_infer.lab.report.power_line import (
    PowerLine,
    check_same_time,
    covered_share,
    read_power_line,
)
from edge_infer.lab.report.run_log import read_run_log
from edge_infer.lab.report.run_row import GATED, INDEX
from edge_infer.lab.report.run_tally import RunTally
from edge_infer.models_tflite import Bundle, open_bundle
from edge_infer.models_tflite.bundle import shipped_names
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.models_tflite.manifest import Manifest
from edge_infer.runtime.frames.sources import open_source

NO_BUNDLE = (
    "the log does not say which bundle ran: name it with --bundle, for thresholds and thumbnails"
)


@dataclass
class ReportedRun:
    """What a page says of one run."""

    name: str
    tally: RunTally
    power: PowerLine | None = None
    bundle: Bundle | None = None
    pictures: Pictures = field(default_factory=Pictures)
    document: Mapping[str, Any] | None = None
    """Of `run --json`, where the page is made by the run itself."""
    notes: list[str] = field(default_factory=list)
    """What a reader has to know of how the log was read."""

    def exit_name(self, index: int) -> str:
        """Return what the bundle calls an exit; its number, from 0, without a bundle."""
        if index == GATED:
            return "gated"
        if self.bundle is None:
            return f"exit {index}"
        return self.bundle.manifest.stages[index].name

    @property
    def labels(self) -> Sequence[str]:
        """The labels in the bundle's order; () without it."""
        return () if self.bundle is None else self.bundle.manifest.labels


def read_run(
    log: Path, power: Path | None, bundle: Bundle | None, input_: Path | None
) -> ReportedRun:
    """Return the run in a log.

    Args:
        log: of `run -o`.
        power: log of the meter while it ran, or None.
        bundle: what ran; None to find it by the names of its samples.
        input_: what it read, for thumbnails; None to find it by the frames' names.

    Raises:
        TraceError: log, power or bundle do not belong together, or are none.
        DamagedTraceError: a log is damaged.
        SourceError, FrameError: the input cannot be read as the bundle takes it.
        OSError: a file cannot be read.
    """
    run = ReportedRun(str(log), RunTally())
    left_out = read_run_log(log, run.tally.add)
    if left_out is not None:
        run.notes.append(f"{log}: left out {left_out}")
    if power is not None:
        run.power = _power_of(power, run)
    run.bundle = bundle or _named_bundle(run.tally)
    if run.bundle is not None:
        _check_bundle(run, given=bundle is not None)
    run.pictures = _pictures(run, log.parent, input_)
    return run


def wanted_frames(tally: RunTally) -> list[FrameKey]:
    """Return the frames that a page shows, each once."""
    rows = [*tally.wrong.rows, *tally.doubtful.rows]
    return list(dict.fromkeys(key_of(row) for row in rows))


def _power_of(path: Path, run: ReportedRun) -> PowerLine:
    power = read_power_line(path)
    check_same_time(power, run.tally, run.name)
    if power.left_out is not None:
        run.notes.append(f"{path}: left out {power.left_out}")
    share = covered_share(power, run.tally)
    if share < 0.99:
        run.notes.append(f"{path} covers {100 * share:.0f} % of the run's time")
    return power


def _named_bundle(tally: RunTally) -> Bundle | None:
    """Return the bundle that ships under the name that samples bear."""
    named = tally.samples_of
    known = len(named) == 1 and named <= set(shipped_names())
    return open_bundle(next(iter(named))) if known else None


def _check_bundle(run: ReportedRun, given: bool) -> None:
    """Refuse a bundle that the run cannot have been of; one that was not named is let go."""
    assert run.bundle is not None
    manifest, tally = run.bundle.manifest, run.tally
    reason = None
    if max(tally.exits) >= len(manifest.stages):
        reason = f"frames left at exit {max(tally.exits)}, it has {len(manifest.stages)} stages"
    elif unknown := sorted(tally.labels - _words(manifest)):
        reason = f"{unknown[0][:40]!r} is none of its labels"
    elif unknown := sorted(set(tally.ratios) - set(manifest.ratios)):
        reason = f"it has no ratio {unknown[0][:20]}"
    elif others := tally.samples_of - {manifest.name}:
        reason = f"its frames are samples of {sorted(others)[0][:40]}"
    if reason is None:
        return
    told = f"{run.name} is no run of {manifest.name} {manifest.version}: {reason}"
    if given:
        raise TraceError(f"{told}; name the one that ran")
    run.notes.append(told)
    run.bundle = None


def _words(manifest: Manifest) -> set[str]:
    """Return what a log may call a label: its name, or its index in older ones."""
    return {*manifest.labels, *(f"{INDEX}{at}" for at in range(len(manifest.labels)))}


def _pictures(run: ReportedRun, folder: Path, input_: Path | None) -> Pictures:
    wanted, bundle = wanted_frames(run.tally), run.bundle
    if bundle is None:
        return Pictures({}, f"no frame is shown: {NO_BUNDLE}")
    if not wanted:
        return Pictures()
    labels = bundle.manifest.labels
    if input_ is not None:
        return pictures_of(wanted, open_source(input_, FrameSpec.of(bundle), labels), labels)
    found = find_source([key.name for key in wanted], bundle, folder)
    if isinstance(found, str):
        return Pictures({}, found)
    return pictures_of(wanted, found, labels)
