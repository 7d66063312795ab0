"""A folder of pictures, one subfolder a class: what is there, and its frames, read when needed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.adapt.errors import AdaptError
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError, SourceError
from edge_infer.runtime.frames.folders import class_folders, list_images
from edge_infer.runtime.frames.images import ImageReader
from edge_infer.runtime.frames.source import input_document

LEAST_OF_CLASS = 10
"""Pictures that a class needs: fewer fill neither folds nor a calibration part."""
_SHOWN = 5


@dataclass
class Pictures:
    """Labelled pictures on a disk. Needs the `images` extra."""

    folder: Path
    classes: tuple[str, ...]
    paths: list[Path]
    labels: NDArray[np.int64]
    """Shape [n], indices into `classes`."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What else lies there, by suffix or folder."""
    skipped: list[str] = field(default_factory=list)
    """One line for each picture that could not be read."""
    done: Counter[str] = field(default_factory=Counter)
    """Pictures by what was done to them."""

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """Return a picture's path inside the folder."""
        return self.paths[index].relative_to(self.folder).as_posix()

    def relabelled(self, classes: tuple[str, ...], label_of: NDArray[np.int64]) -> "Pictures":
        """Return the pictures with classes in another order; `label_of` says where each went."""
        return replace(self, classes=classes, labels=label_of[self.labels])

    def without(self, indices: Sequence[int], what: str) -> "Pictures":
        """Return the pictures less some, which are counted as left out."""
        kept = np.setdiff1d(np.arange(len(self)), np.asarray(indices, np.int64))
        return replace(
            self,
            paths=[self.paths[i] for i in kept],
            labels=self.labels[kept],
            left_out=self.left_out + Counter({what: len(self) - len(kept)}),
        )

    def frames(self, indices: Iterable[int], spec: FrameSpec) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield some pictures with their index; those that cannot be read are named in `skipped`.

        Args:
            indices: which, in order.
            spec: what the net takes.

        Raises:
            InputError: a transparent picture without a background, or a net that takes none.
        """
        reader = ImageReader(spec)
        for index in indices:
            try:
                data = reader.read(self.paths[index], str(self.paths[index]))
            except InputError:
                raise
            except SourceError as error:
                self.skipped.append(str(error))
                continue
            yield index, data.astype(spec.dtype)
        self.done += reader.done

    def document(self) -> dict[str, Any]:
        """Return what was read and what was done to it, as `Source.document` does."""
        left_out = self.left_out + Counter({"unreadable": len(self.skipped)})
        done: dict[str, int | None] = dict(self.done)
        return input_document("images", str(self.folder), done, left_out)


def list_pictures(folder: Path) -> Pictures:
    """List the pictures of a folder with one subfolder a class.

    Raises:
        InputError: no folder, no class or no image there, or images in no class folder.
        AdaptError: one class only, or classes with too few pictures.
    """
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "there is no such folder"
        raise InputError(f"{folder}: {what}: give one with a subfolder a class, pictures inside")
    classes = class_folders(folder)
    listing = list_images(folder, classes)
    if listing.unlabelled:
        raise InputError(
            f"{folder}: {listing.unlabelled} of {len(listing.paths)} images lie in no class "
            "folder, and their classes are needed: make one subfolder a class"
        )
    labels = np.array([label for _, label in listing.paths], np.int64)
    paths = [path for path, _ in listing.paths]
    found = Pictures(folder, tuple(classes), paths, labels, listing.left_out)
    check_classes(found)
    return found


def check_classes(
    pictures: Pictures,
    readable: NDArray[np.int64] | None = None,
    least: int = LEAST_OF_CLASS,
) -> None:
    """Check that there are two classes or more, and pictures enough of each.

    Args:
        pictures: what is there.
        readable: labels of those that could be read; of all if None.
        least: how many are enough.

    Raises:
        AdaptError: names the classes.
    """
    if len(pictures.classes) < 2:
        raise AdaptError(
            f"{pictures.folder}: one class only, {pictures.classes[0]!r}: a classifier tells two "
            "or more apart; add a folder of what is none of it"
        )
    labels = pictures.labels if readable is None else readable
    counts = np.bincount(labels, minlength=len(pictures.classes))
    few = np.flatnonzero(counts < least)
    if len(few):
        named = [f"{pictures.classes[k]!r} {counts[k]}" for k in few[:_SHOWN]]
        more = f" and {len(few) - _SHOWN} more" if len(few) > _SHOWN else ""
        unread = f"; {len(pictures.skipped)} could not be read" if pictures.skipped else ""
        copies = pictures.left_out["duplicate"]
        unread += f"; {copies} copies of others were left out" if copies else ""
        where = "" if readable is None else " to fit on"
        raise AdaptError(
            f"{pictures.folder}: classes with fewer than {least} pictures{where}: "
            f"{', '.join(named)}{more}{unread}: add pictures, or take those folders out"
        )
