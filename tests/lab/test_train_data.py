import gzip
import io
import struct
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edge_infer.lab.train.dataset import Dataset, hold_out, split
from edge_infer.lab.train.errors import TrainError
from edge_infer.lab.train.sources import open_source

Array = NDArray[Any]

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def numbered(labels: list[int]) -> Dataset:
    """Every image differs: its pixels spell its position."""
    rows = np.arange(len(labels), dtype=">u4").view(np.uint8).reshape(-1, 2, 2, 1)
    return Dataset(rows.copy(), np.array(labels, np.int64))


def positions(data: Dataset) -> list[int]:
    return [int(k) for k in data.images.reshape(-1, 4).copy().view(">u4").ravel()]


@given(st.lists(st.integers(0, 4), min_size=2, max_size=80), st.data(), st.integers(0, 9))
def test_holding_out_divides_every_class_in_proportion(
    labels: list[int], data: st.DataObject, seed: int
) -> None:
    count = data.draw(st.integers(1, len(labels) - 1))
    whole = numbered(labels)
    rest, held = hold_out(whole, count, seed)
    assert len(held) == count
    assert sorted(positions(rest) + positions(held)) == list(range(len(labels)))
    for part in (rest, held):
        assert [labels[k] for k in positions(part)] == part.labels.tolist()
    for label in set(labels):
        exact = labels.count(label) * count / len(labels)
        assert abs(held.labels.tolist().count(label) - exact) < 1


def test_the_same_seed_holds_out_the_same_images_and_another_seed_others() -> None:
    data = numbered([k % 10 for k in range(500)])
    first, again, other = (positions(hold_out(data, 100, seed)[1]) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("count", [0, 4, 5])
def test_nothing_may_be_left_empty(count: int) -> None:
    with pytest.raises(TrainError, match=f"cannot hold {count} out of 4"):
        hold_out(numbered([0, 1, 0, 1]), count, 0)


def test_the_test_side_never_feeds_the_held_back_side() -> None:
    data = numbered([k % 3 for k in range(90)])
    own_test = Dataset(np.full((6, 2, 2, 1), 255, np.uint8), np.zeros(6, np.int64))
    given_test = split(data, own_test, 30, 0, 3)
    assert given_test.test is own_test and len(given_test.train) == 60
    made = split(data, None, 30, 15, 3)
    parts = [positions(part) for part in (made.train, made.held_back, made.test)]
    assert [len(part) for part in parts] == [45, 30, 15]
    assert sorted(k for part in parts for k in part) == list(range(90))


@pytest.mark.parametrize(
    ("images", "labels", "complaint"),
    [
        (np.zeros((3, 8, 8), np.uint8), np.zeros(3), r"shape \(3, 8, 8\)"),
        (np.zeros((3, 8, 8, 1), np.float32), np.zeros(3), "float32"),
        (np.zeros((3, 8, 8, 1), np.uint8), np.zeros(2), r"3 images but labels of shape \(2,\)"),
    ],
)
def test_what_is_no_labelled_image_set_is_refused(
    images: Array, labels: Array, complaint: str
) -> None:
    with pytest.raises(TrainError, match=complaint):
        Dataset(images, labels)


def write_idx(path: Path, array: Array, packed: bool) -> None:
    content = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    content += array.tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_folder(tmp_path: Path, packed: bool) -> None:
    rng = np.random.default_rng(0)
    end = ".gz" if packed else ""
    images = {p: rng.integers(0, 256, (n, 4, 5), np.uint8) for p, n in (("train", 7), ("t10k", 3))}
    for prefix, pixels in images.items():
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte{end}", pixels, packed)
        labels = np.arange(len(pixels), dtype=np.uint8) % 3
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte{end}", labels, packed)
    found = open_source(str(tmp_path))
    assert found.test is not None
    assert (found.train.images[..., 0] == images["train"]).all()
    assert (found.test.images[..., 0] == images["t10k"]).all()
    assert found.test.labels.tolist() == [0, 1, 2] and found.class_names == ("0", "1", "2")
    (tmp_path / f"t10k-labels-idx1-ubyte{end}").unlink()
    with pytest.raises(TrainError, match="t10k-images-idx3-ubyte or its labels are missing"):
        open_source(str(tmp_path))


def png(colour: tuple[int, int, int], size: int = 6) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(stream, "PNG")
    return stream.getvalue()


COLOURS = {"bird": (200, 0, 0), "cat": (0, 200, 0), "ant": (0, 0, 200)}


def fill(folder: Path) -> None:
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(2):
            (folder / name / f"{number}.png").write_bytes(png(colour))
    (folder / "notes.txt").write_text("no image")


@pytest.mark.parametrize("packed", [False, True])
def test_image_folders_on_disk_and_in_archives(tmp_path: Path, packed: bool) -> None:
    for side in ("train", "test"):
        fill(tmp_path / "plain" / side)
    where = tmp_path / "plain"
    if packed:
        where = tmp_path / "packed"
        where.mkdir()
        for side in ("train", "test"):
            with tarfile.open(where / f"set_{side}.tar.gz", "w:gz") as archive:
                archive.add(tmp_path / "plain" / side, side)
    found = open_source(str(where))
    assert found.class_names == ("ant", "bird", "cat")
    assert found.test is not None and len(found.test) == len(found.train) == 6
    for image, label in zip(found.train.images, found.train.labels, strict=True):
        assert tuple(image[3, 3]) == COLOURS[found.class_names[label]]


def test_image_folders_that_cannot_be_one_set(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "test")
    (tmp_path / "test" / "dog").mkdir()
    (tmp_path / "test" / "dog" / "0.png").write_bytes(png((1, 1, 1)))
    with pytest.raises(TrainError, match=r"training classes .* differ from test's .*dog"):
        open_source(str(tmp_path))
    (tmp_path / "train" / "cat" / "wide.png").write_bytes(png((1, 1, 1), size=9))
    with pytest.raises(TrainError, match=r"several sizes \[\(6, 6\), \(9, 9\)\]"):
        open_source(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainError, match="no images"):
        open_source(str(tmp_path / "empty"))


def test_npz_as_keras_writes_them(tmp_path: Path) -> None:
    x = np.arange(4 * 9, dtype=np.uint8).reshape(4, 3, 3)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.array([[0], [1], [0], [1]]))
    found = open_source(str(tmp_path / "a.npz"))
    assert found.test is None and found.train.images.shape == (4, 3, 3, 1)
    assert (found.train.images[..., 0] == x).all() and found.train.labels.tolist() == [0, 1, 0, 1]
    np.savez(tmp_path / "b.npz", images=x)
    with pytest.raises(TrainError, match=r"holds \['images'\], wanted x_train"):
        open_source(str(tmp_path / "b.npz"))


def test_images_in_no_class_folder_are_no_class(tmp_path: Path) -> None:
    for side in ("train", "test"):
        (tmp_path / side / "cat").mkdir(parents=True)
        for name in ("a.png", "cat/b.png"):
            Image.new("L", (4, 4)).save(tmp_path / side / name)
    with pytest.raises(TrainError, match="1 of 2 images lie in no class folder"):
        open_source(str(tmp_path))


def test_images_need_the_small_extra_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "train" / "cat"
    place.mkdir(parents=True)
    Image.new("L", (4, 4)).save(place / "a.png")
    monkeypatch.setitem(sys.modules, "PIL", None)  # as if it was not installed
    with pytest.raises(TrainError, match=r"needs PIL: pip install 'edge-infer\[images\]'"):
        open_source(str(tmp_path))


def test_a_place_without_data_is_named() -> None:
    with pytest.raises(TrainError, match="no data at nowhere/at/all: give a folder"):
        open_source("nowhere/at/all")


def test_mnist_as_published() -> None:
    if not (SHARED / "mnist").is_dir():
        pytest.skip("needs ../shared/data/mnist, which is not part of the repository")
    found = open_source(str(SHARED / "mnist"))
    assert found.test is not None
    assert found.train.images.shape == (60_000, 28, 28, 1)
    assert np.bincount(found.test.labels)[:3].tolist() == [980, 1135, 1032]
