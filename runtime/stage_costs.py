"""What the stages of a bundle cost: as work for the model of a board, or measured, from a file."""

from pathlib import Path

from edge_infer.boards.cost_table import CostTable, OpWork, Work
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.manifest import FULL_RATIO, Manifest
from edge_infer.models_tflite.stage_spec import Stage
from edge_infer.runtime.errors import RunError, SourceMissingError

CHANGE = "switch to"
"""How the row of a change of ratio begins in a cost table."""


def row_name(stage: str, ratio: str) -> str:
    """Return what a cost table calls a stage at a ratio: its name, at full width."""
    return stage if ratio == FULL_RATIO else f"{stage}@{ratio}"


def row_parts(row: str) -> tuple[str, str]:
    """Return the stage and the ratio that `row_name` made a name of."""
    stage, _, ratio = row.partition("@")
    return stage, ratio or FULL_RATIO


def work_of(stage: Stage, index: int, stages: int, ratio: str = FULL_RATIO) -> Work:
    """Return a stage as a board model understands it; each but the last of `stages` decides.

    Args:
        stage: as it is at the ratio.
        index: its position.
        stages: how many there are.
        ratio: gives the work its name.
    """
    ops = tuple(OpWork(*op) for op in stage.ops)
    decides, first = index < stages - 1, index == 0
    return Work(row_name(stage.name, ratio), ops, decides, first, stage.arithmetic)


def works_of(bundle: Bundle, ratio: str = FULL_RATIO) -> tuple[Work, ...]:
    """Return all stages of a bundle at a ratio, in order.

    Raises:
        UnknownRatioError: the bundle has no such ratio.
    """
    stages = bundle.manifest.stages_at(ratio)
    return tuple(work_of(stage, i, len(stages), ratio) for i, stage in enumerate(stages))


def all_works(bundle: Bundle) -> tuple[Work, ...]:
    """Return all stages of a bundle at all its ratios."""
    return tuple(work for ratio in bundle.manifest.ratios for work in works_of(bundle, ratio))


def switch_work(manifest: Manifest, ratio: str) -> Work:
    """Return what a change to a ratio asks of a processor: every byte of the files is moved once.

    For a simulated board. The figure is synthetic: a host spends about as long again on loading
    the interpreters.
    """
    moved = tuple(OpWork("LOAD", 0, stage.bytes) for stage in manifest.stages)
    return Work(f"{CHANGE} {ratio}", moved, decides=False, first=False)


def measured_table(path: Path, bundle: Bundle, board: str, backend: str) -> CostTable:
    """Return a table that `edge-infer measure` wrote.

    Raises:
        SourceMissingError: there is no such file.
        RunError: it cannot be read, or is of another board, bundle or backend.
        CostTableError: a row is missing, or the energies; the message says how to fill it.
    """
    try:
        table = CostTable.from_json(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SourceMissingError(f"there is no cost table {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from error
    _check(table, bundle, board, backend)
    table.need_energies(f"the cost table {path}")
    return table


def _check(table: CostTable, bundle: Bundle, board: str, backend: str) -> None:
    """Refuse a cost table that is not of this board, bundle and backend, or lacks a stage."""
    manifest = bundle.manifest
    for what, theirs, ours in (
        ("board", table.board, board),
        ("bundle", table.bundle, f"{manifest.name} {manifest.version}"),
        ("backend", table.backend, backend),
    ):
        if theirs != ours:
            name = theirs or "(not stated)"
            instead = f"; or mean that board: --board {theirs}" if what == "board" else ""
            raise RunError(
                f"the cost table is of {what} {name}, this is {ours}: fill one "
                f"with edge-infer measure {manifest.name} --board {board}{instead}"
            )
    for stage in manifest.stages:
        for point in table.points:
            table.row(stage.name, point)
