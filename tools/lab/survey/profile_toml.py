"""A profile as TOML text, one figure a table, as the profiles that ship are written."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def profile_toml(document: Mapping[str, Any], comments: Sequence[str]) -> str:
    """Return the text of a profile's document, comments first."""
    lines = [f"# {line}" for line in comments]
    lines += [f"{key} = {_value(value)}" for key, value in document.items() if not _table(value)]
    for key, value in document.items():
        if _table(value):
            lines += _tables(key, value)
    return "\n".join(lines) + "\n"


def _tables(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", f"[{name}]")
    yield from (f"{key} = {_value(value)}" for key, value in table.items() if not _table(value))
    for key, value in table.items():
        if _table(value):
            yield from _tables(f"{name}.{key}", value)


def _table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, int):
        return str(value)
    # JSON's strings are TOML's, but for DEL and characters that are none.
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return json.dumps(text, ensure_ascii=False)
