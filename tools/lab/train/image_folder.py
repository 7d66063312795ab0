"""Images in one folder a class, on disk or inside a .tar.gz."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from edge_infer.lab.train.dataset import Dataset
from edge_infer.lab.train.errors import TrainError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}


def _from_tar(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None:
                yield PurePosixPath(member.name), stream.read()


def _from_folder(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    for file in path.rglob("*"):
        if file.is_file():
            yield PurePosixPath(file.relative_to(path).as_posix()), file.read_bytes()


def read_image_folder(path: Path) -> tuple[Dataset, tuple[str, ...]]:
    """All images under `path` (folder or .tar.gz), and the class names in label order.

    An image's class is the name of the folder it lies in; labels follow the sorted names, images
    the sorted paths.

    Raises:
        TrainError: no images, or images of several sizes.
    """
    from PIL import Image

    entries = _from_folder(path) if path.is_dir() else _from_tar(path)
    found = sorted((name, data) for name, data in entries if name.suffix.lower() in _SUFFIXES)
    if not found:
        raise TrainError(f"{path}: no images ({', '.join(sorted(_SUFFIXES))}) in class folders")
    names = tuple(sorted({name.parent.name for name, _ in found}))
    images = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for _, data in found]
    sizes = {image.shape[:2] for image in images}
    if len(sizes) > 1:
        raise TrainError(f"{path}: images of several sizes {sorted(sizes)[:4]}: resize them first")
    labels = [names.index(name.parent.name) for name, _ in found]
    return Dataset(np.stack(images), np.array(labels, np.int64)), names
