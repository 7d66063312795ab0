"""Thread counts as an option takes them."""

from typing import Any

import click


class Threads(click.ParamType[tuple[int, ...]]):
    """Thread counts with commas: 1,2,4."""

    name = "counts"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the counts, ascending."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.strip().isdigit() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} are no thread counts; write them with commas: 1,2,4", param, ctx)
        return tuple(sorted({int(part) for part in parts}))
