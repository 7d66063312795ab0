"""A cost table measured on a board, read from its file and held against bundle and board."""

from pathlib import Path

from edge_infer.boards.cost_table import CostTable
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.runtime.errors import RunError, SourceMissingError


def measured_table(path: Path, bundle: Bundle, board: str, backend: str) -> CostTable:
    """Return a table that `edge-infer measure` wrote.

    Raises:
        SourceMissingError: there is no such file.
        RunError: it cannot be read, or is of another board, bundle or backend.
        CostTableError: a row is missing; the message says how to fill it.
    """
    try:
        table = CostTable.from_json(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SourceMissingError(f"there is no cost table {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from error
    _check(table, bundle, board, backend)
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
            raise RunError(
                f"the cost table is of {what} {theirs or '(not stated)'}, this is {ours}: fill one "
                f"with edge-infer measure {manifest.name} --board {board}"
            )
    for stage in manifest.stages:
        for point in table.points:
            table.row(stage.name, point)
