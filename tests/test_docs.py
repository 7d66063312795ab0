"""The pages: links lead somewhere, files that they name are there, command lines can be typed."""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from pathlib import Path

import click
import pytest

from edge_infer.commands.root import COMMANDS, root

ROOT = Path(__file__).parents[1]
ELSEWHERE = {"build", "shared"}
"""Folders that are not read: made by tools, or not ours."""
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(r"`((?:[\w-]+/)+[\w.-]+\.(?:py|md|c|h|toml|json))`")
FENCE = re.compile(r"^```.*?^```", re.S | re.M)
CODE = re.compile(FENCE.pattern + r"|`[^`]+`|^ {4}\S[^\n]*$", re.S | re.M)
OPTION = re.compile(r"--?[a-z]")
PLACE = re.compile(r"[A-Z][A-Z_.]*")
"""What stands for something of the reader's: BUNDLE, DIR, L."""


@cache
def files() -> tuple[Path, ...]:
    found = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if name[0] != "." and name not in ELSEWHERE]
        found += [Path(folder, name).relative_to(ROOT) for name in names]
    return tuple(sorted(found))


PAGES = [path for path in files() if path.suffix == ".md"]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub names them."""
    heads = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", (ROOT / page).read_text())):
        where, _, anchor = link.partition("#")
        if "://" in where:
            continue
        target = ROOT / page.parent / where if where else ROOT / page
        assert target.exists(), f"{page} leads to {where}"
        assert not anchor or anchor in anchors(target), f"{page} leads to {link}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    known = [f"/{path.as_posix()}" for path in files()]
    for name in FILE.findall((ROOT / page).read_text()):
        assert any(path.endswith(f"/{name}") for path in known), f"{page} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_line_can_be_typed(page: Path) -> None:
    for line in lines_of(page):
        words = shlex.split(re.sub(r"[\[\]]| \| |\.\.\.", " ", line))
        for typed in alternatives(words):
            try:
                parse(typed)
            except click.UsageError as error:
                pytest.fail(f"{page}: edge-infer {line}: {error.format_message()}")


def lines_of(page: Path) -> Iterator[str]:
    """The command lines in a page's code, without the command's own name."""
    for code in CODE.findall((ROOT / page).read_text()):
        if code.startswith(("```", " ")):
            parts = [part for line in code.splitlines() for part in re.split("&&|&$", line)]
        else:
            parts = [" ".join(code.strip("`").split())]
        for part in parts:
            named = re.search(r"(?:^|[ |])edge-infer (.*)", part)
            if named:
                yield re.split("  | #", named[1])[0]  # then comes what it does
            elif code.startswith("`") and re.match(rf"({'|'.join(COMMANDS)}) .*--", part):
                yield part


def alternatives(words: Sequence[str]) -> Iterator[list[str]]:
    """One command for each of `power monitor|record`."""
    yield from map(list, product(*(word.split("|") for word in words)))


def parse(words: list[str]) -> None:
    """Raise click.UsageError for a command, an option, a value or an argument too many."""
    command: click.Command = root
    ctx = click.Context(command)
    while isinstance(command, click.Group) and words and not OPTION.match(words[0]):
        name = words.pop(0)
        found = command.get_command(ctx, name)
        if found is None:
            if PLACE.fullmatch(name):
                return
            raise click.UsageError(f"there is no {name}")
        command, ctx = found, click.Context(found, parent=ctx)
    arguments = list(_without_options(command, ctx, words))
    room = [p.nargs for p in command.params if isinstance(p, click.Argument)]
    if -1 not in room and len(arguments) > sum(room):
        raise click.UsageError(f"it takes fewer arguments than {' '.join(arguments)}")


def _without_options(command: click.Command, ctx: click.Context, words: list[str]) -> Iterator[str]:
    params = [*command.get_params(ctx)]
    known = {name: p for p in params for name in (*p.opts, *p.secondary_opts)}
    while words:
        word = words.pop(0)
        if not OPTION.match(word):
            yield word
            continue
        option = known.get(word)
        if not isinstance(option, click.Option):
            raise click.UsageError(f"there is no {word}")
        if option.is_flag or option.count or not words or OPTION.match(words[0]):
            continue
        value = words.pop(0)
        if not PLACE.fullmatch(value) and not isinstance(option.type, click.Path | click.File):
            option.type.convert(value, option, ctx)
