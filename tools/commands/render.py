"""The one place that prints: text for people, one JSON document, or a picture.

Data go to standard output; progress and warnings to standard error, progress only on a terminal.
Much of the text is others': labels, names, reasons, what a device says. Characters that would
steer a terminal, or turn the order of what stands there, are printed as their escapes; in JSON
they stand as JSON's own, so that the values stay exact.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from edge_infer.files import whole_file
from edge_infer.runtime.errors import RunError

_PICTURES = (".png", ".svg", ".pdf")
_NO_PLOT = "a plot needs matplotlib: pip install 'edge-infer[plot]'"

_STEERS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""C0, DEL and C1; marks, embeddings, overrides and isolates of direction (Unicode Annex 9); line
and paragraph separators; surrogates, which no encoding can write."""
_STEERS_IN_LINES = re.compile(_STEERS.pattern.replace("[\x00-\x1f", "[\x00-\x09\x0b-\x1f"))


def printable(text: str, *, lines: bool = False) -> str:
    """Return text with what steers a terminal as its escape; with `lines`, ends of lines stay."""
    return (_STEERS_IN_LINES if lines else _STEERS).sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is no text
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def emit(as_json: bool, document: Mapping[str, Any] | Sequence[Any], text: str) -> None:
    """Print the document as JSON, or the text."""
    show(json_text(document, indent=2) if as_json else text)


def json_text(document: Any, indent: int | None = None) -> str:
    """Return a document as JSON that is safe to print, its values exact."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    return _STEERS_IN_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def show(text: str, *, over: bool = False) -> None:
    """Print lines to standard output; with `over`, one in the place of the one before."""
    end_progress()
    _print(printable(text, lines=True), err=False, over=over)


def say(text: str) -> None:
    """Print lines to standard error, also where that is a file."""
    _print(printable(text, lines=True), err=True)


def warn(message: str) -> None:
    """Print one line of warning to standard error."""
    say(printable(f"warning: {message}"))


class _Note:
    """Prints progress to standard error, on a terminal only."""

    def __call__(self, message: str, *, over: bool = False) -> None:
        """Print one line; unless the next comes soon, how long it has been under way follows."""
        if sys.stderr.isatty():
            _print(printable(message), err=True, over=over)
            if not over:
                begin_progress(message)

    def count(self, unit: str, done: int, total: int) -> None:
        """Show how many there are done of what is under way, with rate and time left."""
        drawn = sys.modules.get("edge_infer.commands.progress")
        if drawn is not None:
            drawn.under_way.count(unit, done, total)


note = _Note()


def begin_progress(message: str) -> None:
    """Show what is under way, once it has lasted; on a terminal only."""
    if sys.stderr.isatty():
        from edge_infer.commands.progress import can_draw, under_way

        if can_draw():
            under_way.begin(printable(message))


def end_progress() -> None:
    """Take away what `note` shows: a result follows, or the end."""
    drawn = sys.modules.get("edge_infer.commands.progress")
    if drawn is not None:
        drawn.under_way.end()


def end_line(*, err: bool) -> None:
    """Go on below a line that was printed `over` another."""
    _print("", err=err)


def _print(text: str, *, err: bool, over: bool = False) -> None:
    try:
        click.echo(f"\r\033[K{text}" if over else text, nl=not over, err=err)
    except OSError as error:
        if err:  # nobody is left to tell
            return
        error.filename = "standard output"
        raise


def table(rows: Sequence[Sequence[str]], heading: Sequence[str] | None = None) -> str:
    """Return rows as aligned columns: numbers flush right, words flush left."""
    lines = [list(heading), *map(list, rows)] if heading else [list(row) for row in rows]
    if not lines:
        return ""
    lines = [[printable(cell) for cell in line] for line in lines]
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


def check_picture(path: Path | None) -> None:
    """Say before minutes of work that a picture cannot be drawn; None is no picture.

    Raises:
        click.UsageError: its format is none of ours, or its folder is not there.
        RunError: matplotlib is missing.
    """
    if path is None:
        return
    if path.suffix.lower() not in _PICTURES:
        raise click.UsageError(f"--plot {path}: the name ends with {' or '.join(_PICTURES)}")
    if not path.parent.is_dir():
        raise click.UsageError(f"--plot {path}: there is no folder {path.parent}")
    if find_spec("matplotlib") is None:
        raise RunError(_NO_PLOT)


@contextmanager
def picture(path: Path, width_inches: float, height_inches: float) -> Iterator[Any]:
    """Give out axes to draw on; write the picture once they are drawn. Needs the `plot` extra.

    Raises:
        RunError: matplotlib is missing, or has no such format.
        OSError: the file cannot be written.
    """
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        raise RunError(_NO_PLOT) from None
    figure, axes = pyplot.subplots(figsize=(width_inches, height_inches))
    try:
        yield axes
        try:
            with whole_file(path) as file:
                figure.savefig(file, format=path.suffix[1:] or "png", dpi=150, bbox_inches="tight")
        except ValueError as error:
            raise RunError(f"{path}: cannot be written: {error}") from error
    finally:
        pyplot.close(figure)
