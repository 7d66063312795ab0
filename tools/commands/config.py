"""`edge-infer config show`: each option's value, and where it comes from."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from edge_infer.boards.meter_config import FILE_VARIABLE
from edge_infer.commands.options import PREFIX, json_option
from edge_infer.commands.render import emit, table, warn
from edge_infer.commands.settings import (
    PROJECT_FILE,
    file_defaults,
    long_options,
    nearest,
    read_tables,
    user_file,
)


@click.group("config")
def config_group() -> None:
    """Show the options' values, and where each comes from."""


@config_group.command(
    "show",
    short_help="Print each option's value, and where it comes from.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("line", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [OPTIONS]]")
@json_option
@click.pass_context
def show_command(ctx: click.Context, line: tuple[str, ...], as_json: bool) -> None:
    """Print the value of each option of a COMMAND, and where it comes from.

    It comes from a flag (OPTIONS, as the command would get them), else the environment, else
    ./edge-infer.toml, else the user's edge-infer.toml, else it is the default. Without a COMMAND
    all commands are gone through, and what stands at its default is left out. Everything is
    checked as the command would.
    """
    root = ctx.find_root()
    command, words, flags = _named(root, list(line))
    tables = {path: read_tables(path) for path in (user_file(), PROJECT_FILE)}
    _check_files(root, tables)
    rows = []
    for leaf, path in _leaves(command, root, words):
        rows += [
            row
            for row in _rows(leaf, root, path, flags, tables)
            if line or row["from"] != "default"
        ]
    if not line:
        _warn_of_unknown_variables(root)
    files = [{"path": str(path), "there": path.exists()} for path in (PROJECT_FILE, user_file())]
    emit(as_json, {"files": files, "values": rows}, _text(files, rows))


def _named(
    root: click.Context, words: list[str]
) -> tuple[click.Command, tuple[str, ...], list[str]]:
    """Return the command at the head of a line, its name, and the rest of the line."""
    command = root.command
    name: list[str] = []
    while isinstance(command, click.Group) and words:
        word = words.pop(0)
        found = command.get_command(root, word)
        if found is None:
            known = command.list_commands(root)
            hint = nearest(word, known) or f"; there are: {', '.join(known)}"
            raise click.UsageError(f"there is no command {' '.join([*name, word])}{hint}")
        command = found
        name.append(word)
    return command, tuple(name), words


def _leaves(
    command: click.Command, root: click.Context, words: tuple[str, ...]
) -> Iterator[tuple[click.Command, tuple[str, ...]]]:
    if not isinstance(command, click.Group):
        yield command, words
        return
    for name in command.list_commands(root):
        inner = command.get_command(root, name)
        if inner is not None and inner is not config_group:
            yield from _leaves(inner, root, (*words, name))


def _rows(
    command: click.Command,
    root: click.Context,
    words: tuple[str, ...],
    flags: Sequence[str],
    tables: Mapping[Path, Mapping[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Yield command, option, value, from and where of each long option of a command."""
    maps = {path: file_defaults(command, root, words, t, path) for path, t in tables.items()}
    merged = {name: value for found in maps.values() for name, value in found.items()}
    ctx = click.Context(command, info_name=words[-1], parent=root, default_map=merged)
    given, _, _ = command.make_parser(ctx).parse_args(list(flags))
    for long, (option, no) in long_options(command).items():
        if no:
            continue
        value, source = option.consume_value(ctx, given)
        if source is not ParameterSource.DEFAULT:
            option.type_cast_value(ctx, value)
        kind, where = _origin(option, source, maps)
        yield {
            "command": " ".join(words),
            "option": f"--{long}",
            "value": _plain(option, value),
            "from": kind,
            "where": where,
        }


def _check_files(root: click.Context, tables: Mapping[Path, Mapping[str, Any]]) -> None:
    """Raise click.UsageError for what stands wrong in the table of any command."""
    commands = root.command
    assert isinstance(commands, click.Group)
    for path, whole in tables.items():
        for name in whole:
            command = commands.get_command(root, name)
            if command is not None:
                file_defaults(command, root, [name], whole, path)


def _warn_of_unknown_variables(root: click.Context) -> None:
    known = {FILE_VARIABLE}
    for command, _ in _leaves(root.command, root, ()):
        known |= {str(option.envvar) for option, _ in long_options(command).values()}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known:
            warn(f"{name}: no option has this variable{nearest(name, sorted(known))}")


def _origin(
    option: click.Option, source: ParameterSource, maps: dict[Path, dict[str, Any]]
) -> tuple[str, str | None]:
    """Return where a value comes from: its kind, and the file or variable."""
    if source is ParameterSource.DEFAULT_MAP:
        return "file", next(str(path) for path in reversed(maps) if option.name in maps[path])
    if source is ParameterSource.ENVIRONMENT:
        names = [option.envvar] if isinstance(option.envvar, str) else option.envvar or ()
        return "environment", next(name for name in names if os.environ.get(name))
    return ("flag", None) if source is ParameterSource.COMMANDLINE else ("default", None)


def _plain(option: click.Option, value: Any) -> Any:
    """Return a value as JSON can hold it, a flag's as true or false, None where there is none."""
    if option.is_flag:
        return click.BOOL.convert(value, None, None) if isinstance(value, str) else value is True
    if isinstance(value, list | tuple):
        return [_plain(option, each) for each in value]
    if isinstance(value, os.PathLike):
        return str(value)
    return value if isinstance(value, str | int | float) else None


def _text(files: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> str:
    heading = ["command", "option", "value", "from"]
    cells = [
        [row["command"], row["option"], _cell(row["value"]), row["where"] or row["from"]]
        for row in rows
    ]
    there = [f"{file['path']}: {'read' if file['there'] else 'not there'}" for file in files]
    return "\n".join([table(cells, heading) if cells else "every option has its default", *there])


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_cell, value)) or "-"
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
