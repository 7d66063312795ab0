"""Options and commands that messages, hints and docstrings name are there."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from edge_infer.commands.root import root
from edge_infer.commands.settings import long_options

PACKAGES = Path(__file__).parents[2] / "src" / "edge_infer"
FOLDERS = ("boards", "models_tflite", "runtime", "firmware_bridge", "commands", "lab")
OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])(?![\w-])")
COMMAND = re.compile(r"`edge-infer ((?:[a-z][a-z-]+ ?)+)")
FOREIGN = {
    "action": "udevadm",
    "camera": "rpicam-vid",
    "codec": "rpicam-vid",
    "create": "systemd-tmpfiles",
    "flush": "rpicam-vid",
    "framerate": "rpicam-vid",
    "height": "rpicam-vid",
    "list-cameras": "rpicam-hello",
    "list-devices": "v4l2-ctl",
    "nopreview": "rpicam-vid",
    "no-pager": "systemctl",
    "now": "systemctl",
    "nthreads": "dask",
    "only-upgrade": "apt",
    "reload": "udevadm",
    "timeout": "rpicam-vid",
    "unit": "journalctl",
    "width": "rpicam-vid",
}
"""Options of other programs that messages name, by program."""


def sources() -> list[Path]:
    found = [path for name in FOLDERS for path in (PACKAGES / name).rglob("*.py")]
    return sorted(path for path in found if "firmware/" not in str(path.relative_to(PACKAGES)))


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the string constants of a file, those inside f-strings too, each with its line."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def commands(command: click.Command, ctx: click.Context) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from commands(below, click.Context(below, parent=ctx, info_name=name))


@cache
def known_options() -> frozenset[str]:
    every = commands(root, click.Context(root))
    return frozenset(name for command in every for name in long_options(command)) | {"help"}


def test_there_are_texts_to_read() -> None:
    named = {name for path in sources() for _, text in texts(path) for name in OPTION.findall(text)}
    assert len(named) > 60 and {"head", "background", "frame-stride"} <= named
    assert len(known_options()) > 80


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_option_that_a_text_names_exists(folder: str) -> None:
    gone = [
        f"{path.relative_to(PACKAGES)}:{line}: --{name}"
        for path in sources()
        if path.relative_to(PACKAGES).parts[0] == folder
        for line, text in texts(path)
        for name in OPTION.findall(text)
        if name not in known_options() and name not in FOREIGN
    ]
    assert not gone, "\n".join(gone)


def test_every_command_that_a_text_names_exists() -> None:
    gone = [
        f"{path.relative_to(PACKAGES)}:{line}: {words}"
        for path in sources()
        for line, text in texts(path)
        for words in COMMAND.findall(text)
        if not is_command(words.split())
    ]
    assert not gone, "\n".join(gone)


def is_command(words: list[str]) -> bool:
    """Return whether words begin with a command, and where that is a group with one of it."""
    ctx, command = click.Context(root), root.get_command(click.Context(root), words[0])
    if not isinstance(command, click.Group):
        return command is not None
    return len(words) == 1 or command.get_command(ctx, words[1]) is not None
