"""How a long job of the laboratory tells how far it is: a sentence at a time, to whoever asked."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar, runtime_checkable

Progress = Callable[[str], None]
"""Takes one sentence, without a newline at its end."""
Item = TypeVar("Item")


@runtime_checkable
class CountingProgress(Protocol):
    """Progress that shows how many of how many, too."""

    def __call__(self, sentence: str) -> None:
        """Take one sentence."""

    def count(self, unit: str, done: int, total: int) -> None:
        """Take how many of the `unit`, a plural, are done."""


def silent(sentence: str) -> None:
    """Progress that nobody reads."""


def counted(items: Sequence[Item], unit: str, progress: Progress) -> Iterator[Item]:
    """Yield items; progress that counts learns how many are done."""
    show = progress.count if isinstance(progress, CountingProgress) else None
    for done, item in enumerate(items):
        if show is not None:
            show(unit, done, len(items))
        yield item
