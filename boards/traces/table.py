"""Tables of readings in text: the delimiter, the heading, and the numbers of some columns."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from edge_infer.boards.errors import DamagedTraceError, TraceError
from edge_infer.boards.traces.trace import Numbers

LOOKED_AT = 100
"""Lines in which the heading has to end."""
_ROW = re.compile(r"\s*\bat row (\d+)")
_NUMBER = re.compile(
    r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?|[-+]?nan|[-+]?inf", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is written."""

    delimiter: str | None
    """None for blanks."""
    heading: tuple[str, ...]
    """Names of the columns; empty without a heading."""
    width: int
    """Columns of the first row of numbers."""
    skipped: int
    """Lines before that row."""
    decimal_comma: bool
    encoding: str


def layout_of(path: Path) -> Layout:
    """Look at a table's first lines. Raises TraceError, OSError."""
    encoding = _encoding(path)
    with path.open(encoding=encoding, errors="replace", newline=None) as file:
        lines = [line.rstrip("\n") for line in islice(file, LOOKED_AT)]
    for number, line in enumerate(lines):
        cells, delimiter = _cells(line)
        if not line.strip() or line.lstrip().startswith("#") or not all(map(_is_number, cells)):
            continue
        comma = delimiter != "," and any("," in cell for cell in cells)
        heading = _heading(lines[:number], delimiter, len(cells))
        return Layout(delimiter, heading, len(cells), number, comma, encoding)
    raise TraceError(
        f"{path} is no table: its first {len(lines)} lines hold no row of numbers, and it begins "
        "as no trace does"
    )


def read_columns(path: Path, layout: Layout, columns: Sequence[int]) -> Numbers:
    """Return the numbers of some columns, shape [rows, columns].

    Raises:
        DamagedTraceError: a row is cut short, or holds no number where there has to be one.
        OSError: it cannot be read.
    """
    _refuse_cut(path)
    with path.open(encoding=layout.encoding, errors="replace") as file:
        for _ in range(layout.skipped):
            next(file)
        try:
            return np.loadtxt(
                _lines(file, layout),
                delimiter=layout.delimiter,
                usecols=columns,
                ndmin=2,
                comments="#",
                quotechar='"',
            )
        except (ValueError, IndexError) as error:
            raise DamagedTraceError(f"{path} {_what(error, layout)}") from error


def _lines(file: IO[str], layout: Layout) -> Iterator[str]:
    return (line.replace(",", ".") for line in file) if layout.decimal_comma else file


def _what(error: Exception, layout: Layout) -> str:
    """Return what NumPy complains of, with the line's number in the file."""
    text = str(error).split(";")[0]
    row = _ROW.search(text)
    if row is None:
        return f"holds no such table: {text}"
    # NumPy counts rows from 0 where a number is wrong, from 1 where columns are missing.
    first = layout.skipped + (1 if "convert" in text else 0)
    return f"line {first + int(row[1])}: {_ROW.sub('', text).strip(' .')}"


def _refuse_cut(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(0, 2)
        size = file.tell()
        file.seek(max(0, size - 200))
        tail = file.read()
    if not tail.rstrip(b" \t\x00").endswith((b"\n", b"\r")) or tail.endswith(b"\x00\x00\x00"):
        last = tail.splitlines()[-1][:60].decode("utf-8", "replace") if tail else ""
        raise DamagedTraceError(
            f"{path}: its last line is cut short, at {last!r}; export it again, or delete that line"
        )


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    return "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _cells(line: str) -> tuple[list[str], str | None]:
    """Split a line by the delimiter that it seems to have."""
    for delimiter in (";", "\t", ","):
        if delimiter in line:
            return [cell.strip().strip('"').strip() for cell in line.split(delimiter)], delimiter
    return line.split(), None


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell))


def _heading(lines: Sequence[str], delimiter: str | None, width: int) -> tuple[str, ...]:
    """Return the last line before the numbers if it has as many cells; it may be a comment."""
    for line in reversed(lines):
        if line.strip():
            bare = line.lstrip("# ")
            split = bare.split(delimiter) if delimiter else bare.split()
            cells = tuple(cell.strip().strip('"').strip() for cell in split)
            return cells if len(cells) == width else ()
    return ()
