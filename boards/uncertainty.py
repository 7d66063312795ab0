"""The figures of a profile that nobody settled, and the same board with other values of them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

from edge_infer.boards.profile import BoardProfile


class Doubt(NamedTuple):
    """A figure with the range that it may lie in."""

    key: str
    """Dotted, as in BoardProfile.figures."""
    low: int
    high: int


def doubts(profile: BoardProfile) -> tuple[Doubt, ...]:
    """Return every figure of a profile that carries a range."""
    return tuple(
        Doubt(key, figure.low, figure.high)
        for key, figure in profile.figures.items()
        if figure.low is not None and figure.high is not None and figure.low < figure.high
    )


def one_by_one(profile: BoardProfile) -> Iterator[tuple[str, BoardProfile]]:
    """Yield the board with one figure at an end of its range, all others as they are."""
    for doubt in doubts(profile):
        for value in (doubt.low, doubt.high):
            yield doubt.key, with_figures(profile, {doubt.key: value})


def drawn(profile: BoardProfile, count: int, seed: int = 0) -> Iterator[BoardProfile]:
    """Yield boards with every figure drawn from its range, each value as likely as another."""
    random = Random(f"{profile.name} {seed}")
    ranges = doubts(profile)
    for _ in range(count):
        yield with_figures(profile, {d.key: random.randint(d.low, d.high) for d in ranges})


def with_figures(profile: BoardProfile, values: Mapping[str, int]) -> BoardProfile:
    """Return a board with other values of some figures; its sources stay."""
    for key, value in values.items():
        profile = _changed(profile, key.split("."), value)
    return profile


def _changed(owner: Any, path: list[str], value: int) -> Any:
    if not path:
        return value
    name, *rest = path
    if isinstance(owner, Mapping):
        return {**owner, name: _changed(owner[name], rest, value)}
    if not rest:
        return replace(owner, **{name: value})
    if hasattr(owner, name):
        return replace(owner, **{name: _changed(getattr(owner, name), rest, value)})
    # kernels.int8.sync_cycles: the speeds of the kernels go by arithmetic type.
    return replace(owner, speeds=_changed(owner.speeds, path, value))
