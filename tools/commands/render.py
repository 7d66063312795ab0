"""The one place that writes results: text for people, one JSON document, or a picture.

Data go to standard output; progress and warnings to standard error, progress only on a terminal.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from edge_infer.runtime.errors import RunError


def emit(as_json: bool, document: Mapping[str, Any] | Sequence[Any], text: str) -> None:
    """Print the document as JSON, or the text."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False) if as_json else text)


def warn(message: str) -> None:
    """Print one line of warning to standard error."""
    click.echo(f"warning: {message}", err=True)


def note(message: str) -> None:
    """Print one line of progress to standard error, on a terminal only."""
    if sys.stderr.isatty():
        click.echo(message, err=True)


def table(rows: Sequence[Sequence[str]], heading: Sequence[str] | None = None) -> str:
    """Return rows as aligned columns: numbers flush right, words flush left."""
    lines = [list(heading), *map(list, rows)] if heading else [list(row) for row in rows]
    if not lines:
        return ""
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [_is_numeric([row[i] for row in rows]) for i in range(len(columns))]
    text = [
        "  ".join(
            cell.rjust(width) if flush_right else cell.ljust(width)
            for cell, width, flush_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    ]
    if heading:
        text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)


def _is_numeric(cells: Sequence[str]) -> bool:
    """Return whether a column holds quantities: each cell begins with a digit, or has no value."""
    return all(cell.lstrip("+-~<>")[:1].isdigit() or cell in ("", "-") for cell in cells)


@contextmanager
def picture(path: Path, width_inches: float, height_inches: float) -> Iterator[Any]:
    """Give out axes to draw on; write the picture once they are drawn. Needs the `plot` extra.

    Raises:
        RunError: matplotlib is missing, or the file cannot be written.
    """
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        raise RunError("a plot needs matplotlib: pip install 'edge-infer[plot]'") from None
    figure, axes = pyplot.subplots(figsize=(width_inches, height_inches))
    try:
        yield axes
        try:
            figure.savefig(path, dpi=150, bbox_inches="tight")
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be written: {error}") from error
    finally:
        pyplot.close(figure)
