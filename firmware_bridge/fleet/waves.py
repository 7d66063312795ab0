"""Waves of a rollout: how many boards have a bundle when a wave has ended, "1,10%,all"."""

import re
from collections.abc import Sequence
from itertools import pairwise

from edge_infer.runtime.errors import InputError

ALL = "all"
_WAVE = re.compile(r"(\d{1,9})(%?)", re.ASCII)


def wave_sizes(waves: str, boards: int) -> list[int]:
    """Return how many boards have the bundle after each wave, rising.

    A share is rounded up; one that adds no board to a small fleet's is left out.

    Args:
        waves: numbers of boards, shares of the fleet or "all", with commas.
        boards: of the fleet.

    Raises:
        InputError: it is no such list, it falls, or a wave is larger than the fleet.
    """
    words = [word.strip() for word in waves.split(",")]
    sizes = [_size(word, boards) for word in words]
    _check_rising(words)
    return sorted(set(sizes))


def _size(word: str, boards: int) -> int:
    if word == ALL:
        return boards
    form = _WAVE.fullmatch(word)
    if form is None or not int(form[1]):
        raise InputError(f"--waves: {word!r} is no wave; write numbers, shares or all: 1,10%,all")
    number = int(form[1])
    if form[2]:
        if number > 100:
            raise InputError(f"--waves: {word} is more than the fleet")
        return -(-number * boards // 100)
    if number > boards:
        raise InputError(f"--waves: a wave of {number} is larger than the fleet of {boards}")
    return number


def _check_rising(words: Sequence[str]) -> None:
    """Refuse numbers that fall, and shares; of both kinds it depends on the fleet."""
    shares = [word for word in words if word.endswith("%")]
    numbers = [word for word in words if word.isdigit()]
    for kind in (shares, numbers):
        for before, word in pairwise(kind):
            if int(word.rstrip("%")) <= int(before.rstrip("%")):
                raise InputError(
                    f"--waves: {word} after {before} adds no board: each says how many boards "
                    "have the bundle when it has ended"
                )
    if ALL in words[:-1]:
        raise InputError("--waves: nothing can follow all")
