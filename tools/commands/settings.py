"""Defaults from files: ./edge-infer.toml, then the user's own. Flag and environment go before them.

A table per command, keys as the long options: `[run]` with `board = "raspberry-pi-5"`. What a flag
would refuse is refused here too, with the file and the key.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

PROJECT_FILE = Path("edge-infer.toml")


def default_map(root: click.Group, ctx: click.Context) -> dict[str, Any]:
    """Return click's default map of the command that is called: the project file over the user's.

    Args:
        root: the group of all commands; the tables of those that are not called are not read, only
            their names, since that would import them.
        ctx: its context, with the name of the command.

    Raises:
        click.UsageError: a file is not TOML, names no command or option, or holds a value that the
            option refuses.
    """
    merged: dict[str, Any] = {}
    for path in (user_file(), PROJECT_FILE):
        tables = read_tables(path)
        for name, table in tables.items():
            _check_table(root, ctx, name, table, str(path))
        called = ctx.invoked_subcommand or ""
        command = root.get_command(ctx, called) if called in tables else None
        if command is not None:
            _merge(merged, {called: _defaults(command, ctx, [called], tables[called], path)})
    return merged


def user_file() -> Path:
    """Return where the user's defaults stand (XDG base directory specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "edge-infer" / "edge-infer.toml"


def read_tables(path: Path) -> dict[str, Any]:
    """Return a file's tables, none where there is no file. Raises click.UsageError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        import tomllib  # most have no such file

        return tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise click.UsageError(
            f'{path}: cannot be read: {error}; it is TOML, text in quotes: deadline = "20ms"'
        ) from error


def file_defaults(
    command: click.Command, ctx: click.Context, words: Sequence[str], table: Any, path: Path
) -> dict[str, Any]:
    """Return what one file says of one command, checked, by the option's name in Python.

    Args:
        command: whose options they are.
        ctx: of the group of all commands.
        words: the command's name.
        table: all that the file holds.
        path: the file, for messages.

    Raises:
        click.UsageError: it names no option, or holds a value that the option refuses.
    """
    for word in words:
        table = table.get(word, {}) if isinstance(table, dict) else table
    return _defaults(command, ctx, words, table, path)


def nearest(name: str, known: Sequence[str]) -> str:
    """Return "; nearest: NAME" for a name that is none, or nothing where none is near."""
    from difflib import get_close_matches  # for mistakes alone

    found = get_close_matches(name, known, 1)
    return f"; nearest: {found[0]}" if found else ""


def long_options(command: click.Command) -> dict[str, tuple[click.Option, bool]]:
    """Return the long options without their dashes: the option, and whether it is its "no" form."""
    options = [p for p in command.params if isinstance(p, click.Option) and p.name is not None]
    pairs = [(o, name, False) for o in options for name in o.opts]
    pairs += [(o, name, True) for o in options for name in o.secondary_opts]
    return {name[2:]: (option, no) for option, name, no in pairs if name.startswith("--")}


def _check_table(group: click.Group, ctx: click.Context, name: str, table: Any, place: str) -> None:
    """Raise click.UsageError unless a table is that of a command of the group."""
    names = group.list_commands(ctx)
    if not isinstance(table, dict):
        raise click.UsageError(
            f"{place}: {name!r} stands alone; options belong under a command, as [run]"
        )
    if name not in names:
        hint = nearest(name, names) or f"; there are: {', '.join(names)}"
        raise click.UsageError(f"{place}: [{name}] is the table of no command{hint}")


def _defaults(
    command: click.Command, ctx: click.Context, words: Sequence[str], table: Any, path: Path
) -> dict[str, Any]:
    """Return the default map of one command's table."""
    place = f"{path}: [{'.'.join(words)}]"
    inner = click.Context(command, info_name=words[-1], parent=ctx)
    options = long_options(command)
    found: dict[str, Any] = {}
    for key, value in table.items():
        long = key.replace("_", "-")
        if long in options:
            option, no = options[long]
            if option.name in found:
                raise click.UsageError(f"{place} {key}: the option stands there twice")
            found[str(option.name)] = _as_given(option, inner, value, no, f"{place} {key}")
        elif isinstance(command, click.Group):
            _check_table(command, inner, key, value, place)
            sub = command.get_command(inner, key)
            if sub is not None:
                found[key] = _defaults(sub, inner, [*words, key], value, path)
        else:
            shown = nearest(long, list(options)) or f"; see edge-infer {' '.join(words)} --help"
            raise click.UsageError(f"{place} {key}: there is no option --{long}{shown}")
    return found


def _as_given(
    option: click.Option, ctx: click.Context, value: Any, no: bool, place: str
) -> str | list[str]:
    """Return a value as the command line would give it. Raises click.UsageError if it refuses."""
    values = list(_texts(option, value, no, place))
    given = values if option.multiple else values[0]
    try:
        option.type_cast_value(ctx, given)
    except click.BadParameter as error:
        raise click.UsageError(f"{place}: {error.message}") from error
    return given


def _texts(option: click.Option, value: Any, no: bool, place: str) -> Iterator[str]:
    on_off = option.is_flag or option.count
    for each in value if option.multiple and isinstance(value, list) else [value]:
        if on_off and isinstance(each, bool):
            yield str(int(each is not no))
        elif no or not isinstance(each, str | int | float) or isinstance(each, bool):
            wanted = "true or false" if on_off else "a text or a number"
            raise click.UsageError(f"{place}: {each!r} is no value of it; write {wanted}")
        else:
            yield str(each)


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Put values over those that are there, table by table."""
    for name, value in more.items():
        if isinstance(value, Mapping):
            _merge(into.setdefault(name, {}), value)
        else:
            into[name] = value
