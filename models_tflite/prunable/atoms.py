"""Single channels, followed through a graph; then gathered into groups.

An atom stands for one channel. Operators either hand atoms on, make new ones, or demand that two
are one (a residual sum). Groups are the longest runs of atoms that stand side by side, in one
order, wherever they appear.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.prunable.channels import Axis, Segment

Atoms = NDArray[np.intp]
"""One atom per position of a dimension."""


class AtomSet:
    """All atoms of a graph: a union-find over integers, with a reason on those that must stay."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._reasons: dict[int, str] = {}

    def new(self, count: int, frozen: str = "") -> Atoms:
        """Return fresh atoms."""
        start = len(self._parents)
        self._parents.extend(range(start, start + count))
        atoms = np.arange(start, start + count, dtype=np.intp)
        if frozen:
            self.freeze(atoms, frozen)
        return atoms

    def freeze(self, atoms: Iterable[int], reason: str) -> None:
        """Mark atoms that every ratio keeps."""
        for atom in atoms:
            self._reasons.setdefault(self._root(int(atom)), reason)

    def join(self, left: Atoms, right: Atoms) -> None:
        """Demand that atoms of two equally long dimensions are one, position by position."""
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            first, second = sorted((self._root(a), self._root(b)))
            if first != second:
                self._parents[second] = first
                reason = self._reasons.pop(second, "")
                if reason:
                    self._reasons.setdefault(first, reason)

    def roots(self, atoms: Atoms) -> Atoms:
        """Return what stands for each atom."""
        return np.array([self._root(atom) for atom in atoms.tolist()], np.intp)

    def reason(self, atom: int) -> str:
        """Return why an atom must stay, or empty."""
        return self._reasons.get(self._root(atom), "")

    def __len__(self) -> int:
        return len(self._parents)

    def _root(self, atom: int) -> int:
        parents = self._parents
        while parents[atom] != atom:
            parents[atom] = parents[parents[atom]]
            atom = parents[atom]
        return atom


class Blocks:
    """Runs of atoms that are never apart.

    Args:
        atoms: the atoms that `axes` are made of.
        axes: roots along every dimension of every tensor.
    """

    def __init__(self, atoms: AtomSet, axes: Sequence[Atoms]) -> None:
        count = len(atoms)
        after, before = _neighbours(axes, count), _neighbours([a[::-1] for a in axes], count)
        self._block = np.full(count, -1, np.intp)
        self.members: list[list[int]] = []
        """Atoms of each block, in order."""
        linked = [
            following
            if following >= 0
            and before[following] == atom
            and bool(atoms.reason(atom)) == bool(atoms.reason(following))
            else -1
            for atom, following in enumerate(after.tolist())
        ]
        inner = set(linked)
        for axis in axes:
            for atom in axis.tolist():
                if self._block[atom] < 0 and atom not in inner:
                    self._gather(atom, linked)

    def axis(self, roots: Atoms) -> Axis:
        """Return a dimension in terms of blocks."""
        segments: list[Segment] = []
        at, row = 0, roots.tolist()
        while at < len(row):
            block = int(self._block[row[at]])
            repeat = 1
            while at + repeat < len(row) and row[at + repeat] == row[at]:
                repeat += 1
            segments.append(Segment(block, repeat))
            at += repeat * len(self.members[block])
        period = _period(segments)
        return Axis(tuple(segments[:period]), len(segments) // period)

    def _gather(self, atom: int, linked: Sequence[int]) -> None:
        members = []
        while atom >= 0:
            self._block[atom] = len(self.members)
            members.append(atom)
            atom = linked[atom]
        self.members.append(members)


def _neighbours(axes: Sequence[Atoms], count: int) -> Atoms:
    """Return what follows each atom everywhere: -1 if that is nothing or not always the same."""
    unset, several = -1, -2
    after = np.full(count, unset, np.intp)
    for axis in axes:
        row = axis[np.flatnonzero(np.diff(axis, prepend=-1))]  # repeats count once
        if len(row) == 0:
            continue
        left, right = row[:-1], row[1:]
        fresh = after[left] == unset
        after[left[fresh]] = right[fresh]
        after[left[after[left] != right]] = several
        after[row[-1]] = several
    return np.where(after == several, -1, after)


def _period(segments: Sequence[Segment]) -> int:
    count = len(segments)
    return next(
        period
        for period in range(1, count + 1)
        if count % period == 0 and list(segments) == list(segments[:period]) * (count // period)
    )
