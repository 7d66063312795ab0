"""What every source of frames is, and the document of what it read."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray

from edge_infer.runtime.records import Frame


class RawFrame(NamedTuple):
    """A frame before it has an arrival time."""

    data: NDArray[Any]
    """Shape [height, width, channels]."""
    label: int | None = None
    name: str = ""
    read_ns: int | None = None
    """When a live source had read it, by `time.monotonic_ns`; None for others."""

    def arriving(self, number: int, arrival_ns: int, within_ns: int | None) -> Frame:
        """Return the frame that arrives now, to be answered within a time if one is given."""
        due_ns = None if within_ns is None else arrival_ns + within_ns
        return Frame(number, self.data, arrival_ns, due_ns, self.label, self.name)


class Source(Protocol):
    """Gives raw frames, again on each iteration if `repeatable`."""

    name: str
    repeatable: bool
    skipped: list[str]
    """One line for each input left out, with the reason."""

    def __iter__(self) -> Iterator[RawFrame]: ...

    def warnings(self) -> list[str]:
        """Return what is odd about the frames given so far, a sentence each."""
        ...

    def document(self) -> dict[str, Any]:
        """Return what was read and what was done to it: `input` of --json.

        Keys: kind, name, done (words, with the number of frames or null for all), left_out (what,
        with its number), unlabelled (frames without a class where others have one).
        """
        ...


def input_document(
    kind: str,
    name: str,
    done: dict[str, int | None],
    left_out: Counter[str] | None = None,
    unlabelled: int = 0,
    **more: Any,
) -> dict[str, Any]:
    """Return the document of an input; see `Source.document`."""
    return {
        "kind": kind,
        "name": name,
        "done": done,
        "left_out": dict(left_out or {}),
        "unlabelled": unlabelled,
        **more,
    }
