"""Cells for the workers of a test: a module of its own, since they import it by name."""

import os
import signal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def added(shared: int, cell: int) -> int:
    return shared + cell


def drawn(shared: NDArray[np.float64], seed: int) -> tuple[float, NDArray[np.float64]]:
    """A cell whose draw is its own."""
    noise = np.random.default_rng(seed).normal(size=shared.shape)
    return float((shared * noise).sum()), noise[:2]


def refused(shared: object, cell: int) -> int:
    if cell == 2:
        raise ValueError("cell 2 is refused")
    return cell


def killed_once(marker: Path, cell: int) -> int:
    """The worker that takes up cell 3 first is killed in the middle of it."""
    if cell == 3:
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return cell
        os.kill(os.getpid(), signal.SIGKILL)
    return cell


def killed_always(shared: object, cell: int) -> int:
    if cell == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return cell


class Counted:
    """Shared data that note, in a folder, each time they are made anew in a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__dict__.update(state)
        with (self.folder / str(os.getpid())).open("a") as file:
            file.write("x")


def counted(shared: Counted, cell: int) -> int:
    return os.getpid()
