"""The folder that a command is to make."""

from pathlib import Path

import click


def refuse_existing(out: Path, replace: bool) -> None:
    """Say that a folder stands in the way before minutes of work, not after."""
    if out.exists() and not replace:
        raise click.UsageError(f"{out} exists already: choose another place, or give --replace")
