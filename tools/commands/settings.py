"""Defaults from files: ./edge-infer.toml, then the user's own. Flag and environment go before them.

A table per command, keys as the long options: `[run]` with `board = "raspberry-pi-5"`.
"""

import os
from pathlib import Path
from typing import Any

import click


def default_map() -> dict[str, Any]:
    """Return click's default map: the project file over the user's file.

    Raises:
        click.UsageError: a file is not TOML.
    """
    merged: dict[str, Any] = {}
    for path in (user_file(), Path("edge-infer.toml")):
        for command, options in _read(path).items():
            if not isinstance(options, dict):
                raise click.UsageError(
                    f"{path}: {command!r} stands alone; options belong under a command, as [run]"
                )
            known = {key.replace("-", "_"): value for key, value in options.items()}
            merged.setdefault(command, {}).update(known)
    return merged


def user_file() -> Path:
    """Return where the user's defaults stand (XDG base directory specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "edge-infer" / "edge-infer.toml"


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
        import tomllib  # most have no such file

        return tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise click.UsageError(f"{path}: cannot be read: {error}") from error
