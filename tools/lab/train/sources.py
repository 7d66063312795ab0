"""Where a data set comes from: a path, a Keras data set, or scikit-learn's digits.

And what a bundle's recipe held back of it.
"""

import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.train.dataset import Dataset, split
from edge_infer.lab.train.errors import DataError
from edge_infer.lab.train.recipe import read_recipe
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.errors import BundleError
from edge_infer.models_tflite.frame_labels import check_labels
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import InputError, RunError, SourceError
from edge_infer.runtime.frames.idx import read_idx
from edge_infer.runtime.frames.images import ImageReader

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}
_COLOUR = FrameSpec((1, 1, 3), np.dtype(np.uint8), any_size=True)


class Source(NamedTuple):
    """A data set as it was found."""

    train: Dataset
    test: Dataset | None
    """None where the data set has no test side of its own."""
    class_names: tuple[str, ...]


def open_source(where: str) -> Source:
    """The data set at `where`: `digits`, `keras:NAME`, an .npz file, or a folder.

    A folder holds IDX files (`train-images-idx3-ubyte`, gzipped or not), or images in one folder
    a class below `train` and `test` (folders or .tar.gz).

    Raises:
        DataError: nothing readable is there.
    """
    try:
        return _open(where)
    except ImportError as error:
        extra = "images" if error.name == "PIL" else "train"
        raise DataError(f"{where} needs {error.name}: pip install 'edge-infer[{extra}]'") from None
    except (InputError, BundleError):
        raise
    except tarfile.TarError:
        raise DataError(f"{where}: a .tar.gz in it is no such archive, or cut off") from None
    except (SourceError, OSError, EOFError, zlib.error, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{where}: cannot be read as a data set: {reason}") from None


def _open(where: str) -> Source:
    if where == "digits":
        return _digits()
    if where.startswith("keras:"):
        return _keras(where.removeprefix("keras:"))
    path = Path(where)
    if not path.exists():
        raise DataError(f"no data at {where}: give a folder, an .npz file, digits or keras:NAME")
    if path.is_file():
        return _npz(path)
    return _idx(path) if any(path.glob("*-idx*-ubyte*")) else _image_folders(path)


def _dataset(images: Any, labels: Any) -> Dataset:
    array = np.asarray(images)
    if array.ndim == 3:
        array = array[..., None]
    pixels, _ = FrameSpec(array.shape[1:], np.dtype(np.uint8)).as_source(array, "data set")
    return Dataset(pixels, check_labels(np.asarray(labels), len(array), None, "data set"))


def _numbers(train: Dataset) -> tuple[str, ...]:
    return tuple(str(k) for k in range(int(train.labels.max()) + 1))


def _digits() -> Source:
    """The 1,797 8x8 digits that scikit-learn carries, grey levels 0 to 16."""
    from sklearn.datasets import load_digits

    found = load_digits()
    data = _dataset(found.images, found.target)
    return Source(data, None, _numbers(data))


def _keras(name: str) -> Source:
    """A Keras data set by name (mnist, fashion_mnist, cifar10, cifar100); downloads it once."""
    import keras

    module = getattr(keras.datasets, name, None)
    if module is None or not hasattr(module, "load_data"):
        raise DataError(f"no Keras data set {name!r}: mnist, fashion_mnist, cifar10, cifar100 are")
    try:
        (x, y), (x_test, y_test) = module.load_data()
    except Exception as error:  # Keras raises the bare class when it cannot download
        raise DataError(f"{name} cannot be fetched ({error}): give --data a folder") from error
    train = _dataset(x, y)
    return Source(train, _dataset(x_test, y_test), _numbers(train))


def _idx(folder: Path) -> Source:
    def part(prefix: str) -> Dataset:
        images, labels = (
            next(iter(sorted(folder.glob(f"{prefix}-{kind}-idx*-ubyte*"))), None)
            for kind in ("images", "labels")
        )
        if images is None or labels is None:
            raise DataError(f"{folder}: {prefix}-images-idx3-ubyte or its labels are missing")
        return _dataset(read_idx(images), read_idx(labels))

    train = part("train")
    return Source(train, part("t10k"), _numbers(train))


def _npz(path: Path) -> Source:
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: cannot be read as an .npz: it is none, or cut off")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as loaded:
            arrays = {name: loaded[name] for name in loaded}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as an .npz: {error}") from None
    if "x_train" not in arrays or "y_train" not in arrays:
        raise DataError(f"{path}: holds {sorted(arrays)}, wanted x_train and y_train")
    train = _dataset(arrays["x_train"], arrays["y_train"])
    test = (
        _dataset(arrays["x_test"], arrays["y_test"])
        if {"x_test", "y_test"} <= set(arrays)
        else None
    )
    return Source(train, test, _numbers(train))


def _image_folders(folder: Path) -> Source:
    """`train` and `test` below `folder`: folders, or .tar.gz files whose names end so."""

    def side(name: str) -> Path | None:
        if (folder / name).is_dir():
            return folder / name
        return next(iter(sorted(folder.glob(f"*{name}.tar.gz"))), None)

    train_path, test_path = side("train"), side("test")
    train, names = _read_image_folder(train_path or folder)
    if test_path is None:
        return Source(train, None, names)
    test, test_names = _read_image_folder(test_path)
    if test_names != names:
        raise DataError(f"{folder}: training classes {names} differ from test's {test_names}")
    return Source(train, test, names)


def _read_image_folder(path: Path) -> tuple[Dataset, tuple[str, ...]]:
    """All images under `path` (folder or .tar.gz), and the class names in label order.

    An image's class is the name of the folder it lies in; labels follow the sorted names, images
    the sorted paths.

    Raises:
        DataError: no images, or images of several sizes.
    """
    import PIL  # noqa: F401 its absence is told once, by what it is needed for

    entries = _from_folder(path) if path.is_dir() else _from_tar(path)
    found = sorted((name, data) for name, data in entries if _is_image(name))
    if not found:
        raise DataError(f"{path}: no images ({', '.join(sorted(_SUFFIXES))}) in class folders")
    names = tuple(sorted({name.parent.name for name, _ in found}))
    if "" in names:
        flat = sum(not name.parent.name for name, _ in found)
        raise DataError(
            f"{path}: {flat} of {len(found)} images lie in no class folder: make one subfolder a "
            "class"
        )
    reader = ImageReader(_COLOUR, advice="lay the images of a data set on one first")
    images = [reader.read(io.BytesIO(data), f"{path}: {name}") for name, data in found]
    sizes = {image.shape[:2] for image in images}
    if len(sizes) > 1:
        raise DataError(f"{path}: images of several sizes {sorted(sizes)[:4]}: resize them first")
    labels = [names.index(name.parent.name) for name, _ in found]
    return Dataset(np.stack(images), np.array(labels, np.int64)), names


def _is_image(name: PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return name.suffix.lower() in _SUFFIXES and not hidden


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


def held_back_images(bundle: Bundle, where: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Divide a data set as the recipe did and return what was held back, frames and labels.

    Args:
        bundle: one that `edge-infer train` made; its provenance names recipe and seed.
        where: the data set, as `edge-infer train --data` takes it.

    Raises:
        RunError: no recipe is named, it has changed since, or the data set is another.
    """
    _check_recipe_named(bundle)
    return held_back_of(bundle, open_source(where), where)


def held_back_of(
    bundle: Bundle, source: Source, where: str
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the same of a data set that is read already; `where` is for messages."""
    _check_recipe_named(bundle)
    name, made = bundle.manifest.name, bundle.manifest.provenance
    recipe = read_recipe(made["recipe"]["name"])
    seed = recipe.training.seed
    found = split(source.train, source.test, recipe.data.held_back, recipe.data.test, seed)
    sizes = {"train": len(found.train), "held_back": len(found.held_back), "test": len(found.test)}
    if sizes != made["images"] or seed != made["seed"]:
        raise RunError(
            f"{name} was trained with seed {made['seed']} on {made['images']}, its recipe now "
            f"makes seed {seed}, {sizes} of {where}: the images held back cannot be told"
        )
    return found.held_back.images, found.held_back.labels


def _check_recipe_named(bundle: Bundle) -> None:
    """Before a data set is read for nothing."""
    made = bundle.manifest.provenance
    if "recipe" not in made or "images" not in made:
        raise RunError(
            f"{bundle.manifest.name} names no recipe: give calibration inputs as a file or a folder"
        )
