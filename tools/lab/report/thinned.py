"""A line of parts that is never longer than a page can show: neighbours are merged."""

from collections.abc import Callable
from typing import Generic, TypeVar

Part = TypeVar("Part")


class Thinned(Generic[Part]):
    """Takes parts in order; keeps at most twice `most`, each of the same number of those taken.

    Args:
        most: parts that are kept at least, once so many came.
        merge: makes one part of two neighbours.
    """

    def __init__(self, most: int, merge: Callable[[Part, Part], Part]) -> None:
        self._most, self._merge = most, merge
        self._parts: list[Part] = []
        self._open: Part | None = None
        self._open_count = 0
        self.each = 1
        """How many of those taken a part stands for."""

    def add(self, part: Part) -> None:
        """Take one part."""
        self._open = part if self._open is None else self._merge(self._open, part)
        self._open_count += 1
        if self._open_count < self.each:
            return
        self._parts.append(self._open)
        self._open, self._open_count = None, 0
        if len(self._parts) >= 2 * self._most:
            pairs = zip(self._parts[::2], self._parts[1::2], strict=True)
            self._parts = [self._merge(first, second) for first, second in pairs]
            self.each *= 2

    @property
    def parts(self) -> list[Part]:
        """All parts, the last one perhaps of fewer."""
        return [*self._parts] if self._open is None else [*self._parts, self._open]
