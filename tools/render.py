"""The one place that writes results: text for people, or one JSON document.

Data go to standard output; progress and warnings to standard error, progress only on a terminal.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click


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
    """Return rows as aligned columns: the first flush left, the others flush right."""
    lines = [list(heading), *map(list, rows)] if heading else [list(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    if heading:
        text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)
