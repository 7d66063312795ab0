"""Nothing of a bundle is used before all of it is as its manifest says."""

import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.profile import examples

from edge_infer.models_tflite.bundle import Bundle, open_bundle, shipped_names
from edge_infer.models_tflite.errors import (
    BundleEmptyError,
    BundleError,
    BundleNotFoundError,
    BundleVerificationError,
    ManifestError,
)


@pytest.fixture
def copy(early_exit: Bundle, tmp_path: Path) -> Path:
    return Path(shutil.copytree(early_exit.path, tmp_path / "copy"))


def test_a_sound_bundle_opens_and_gives_what_it_holds(copy: Path) -> None:
    bundle = open_bundle(copy)
    assert bundle.path == copy
    assert bundle.stage_model(1) == (copy / "exit-2.tflite").read_bytes()
    samples = bundle.samples()
    assert samples is not None
    frames, labels = samples
    assert frames.shape == (8, 8, 8, 1) and frames.dtype == np.uint8
    assert labels.shape == (8,) and labels.dtype == np.int64
    golden = bundle.golden()
    assert len(golden.frames) == bundle.manifest.golden.count == 8
    assert [scores.shape for scores in golden.scores] == [(8, 5)] * 3


def test_a_bundle_without_samples_says_so(single: Bundle) -> None:
    assert single.samples() is None


def test_no_bundle_names_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError, match=r"no bundle at .*gone: give a folder") as caught:
        open_bundle(tmp_path / "gone")
    assert isinstance(caught.value, FileNotFoundError)
    assert all(name in str(caught.value) for name in shipped_names())


def test_an_empty_folder_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(BundleEmptyError, match="is empty"):
        open_bundle(tmp_path)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(BundleVerificationError, match=r"manifest\.json is missing"):
        open_bundle(tmp_path)


def test_a_file_is_not_a_bundle_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BundleVerificationError, match="not a bundle folder"):
        open_bundle(tmp_path / "file")


@pytest.mark.parametrize("name", ["exit-1.tflite", "exit-3.tflite", "golden.npz", "samples.npz"])
def test_every_file_is_vouched_for(copy: Path, name: str) -> None:
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[:-1])
    with pytest.raises(BundleVerificationError, match=rf"{name} has {len(whole) - 1} bytes"):
        open_bundle(copy)
    middle = len(whole) // 2
    changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    (copy / name).write_bytes(changed)
    with pytest.raises(BundleVerificationError, match=rf"{name} has the SHA-256 \w+\.\.\., the"):
        open_bundle(copy)
    (copy / name).unlink()
    with pytest.raises(BundleVerificationError, match=rf"{name} is missing"):
        open_bundle(copy)


def test_a_file_changed_after_opening_is_not_used(copy: Path) -> None:
    bundle = open_bundle(copy)
    (copy / "exit-1.tflite").write_bytes(b"x" * bundle.manifest.files["exit-1.tflite"].bytes)
    with pytest.raises(BundleVerificationError, match="the file was changed"):
        bundle.stage_model(0)


def test_a_symbolic_link_out_of_the_bundle_is_refused(copy: Path, tmp_path: Path) -> None:
    (copy / "golden.npz").rename(tmp_path / "elsewhere")
    (copy / "golden.npz").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleVerificationError, match="not a plain file"):
        open_bundle(copy)


def test_a_name_that_leaves_the_folder_is_refused(copy: Path, tmp_path: Path) -> None:
    document = json.loads((copy / "manifest.json").read_text())
    document["files"]["../secret"] = document["files"].pop("golden.npz")
    document["golden"]["file"] = "../secret"
    (copy / "manifest.json").write_text(json.dumps(document))
    (copy / "golden.npz").rename(tmp_path / "secret")
    with pytest.raises(ManifestError, match=r"golden\.file"):
        open_bundle(copy)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_truncated_manifest_is_refused(early_exit: Bundle, tmp_path: Path, cut: float) -> None:
    text = (early_exit.path / "manifest.json").read_text().rstrip()
    (tmp_path / "manifest.json").write_text(text[: int(len(text) * cut)])
    with pytest.raises(BundleError):
        open_bundle(tmp_path)


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Put a file in a bundle with a manifest that vouches for it."""
    document = json.loads((folder / "manifest.json").read_text())
    digest = hashlib.sha256(content).hexdigest()
    document["files"][name] = {"sha256": digest, "bytes": len(content)}
    (folder / name).write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps(document))


def test_samples_that_are_no_arrays_are_refused(copy: Path) -> None:
    rewrite(copy, "samples.npz", b"PK\x03\x04 not really a zip")
    with pytest.raises(BundleVerificationError, match=r"samples\.npz is not usable"):
        open_bundle(copy).samples()


def test_arrays_of_objects_are_not_unpickled(copy: Path) -> None:
    stream = io.BytesIO()
    np.savez(stream, frames=np.array([{"a": 1}], object), labels=np.zeros(1))
    rewrite(copy, "samples.npz", stream.getvalue())
    with pytest.raises(BundleVerificationError, match="allow_pickle=False"):
        open_bundle(copy).samples()


def test_counts_must_be_those_of_the_manifest(copy: Path) -> None:
    stream = io.BytesIO()
    np.savez(stream, frames=np.zeros((3, 8, 8, 1), np.uint8), labels=np.zeros(3))
    rewrite(copy, "samples.npz", stream.getvalue())
    with pytest.raises(BundleVerificationError, match=r"3 frames and 3 labels.* says 8"):
        open_bundle(copy).samples()


@pytest.mark.parametrize(
    ("frames", "labels", "says"),
    [
        (np.zeros((8, 8, 8, 1), np.int16), np.zeros(8, int), "frames of int16"),
        (np.zeros((8, 8, 8, 1), np.uint8), np.zeros(8), "labels of float64"),
        (np.zeros((8, 8, 8, 1), np.uint8), np.array(["a"] * 8), "labels of <U1"),
        (np.zeros((8, 8, 8, 1), np.uint8), np.full(8, 5), "labels from 5 to 5, .* names 5"),
        (np.zeros((8, 8, 8, 1), np.uint8), np.full(8, -1), "labels from -1"),
        (np.array(3), np.array(3), "no frames and no labels"),
    ],
)
def test_samples_of_another_kind_are_named(
    copy: Path, frames: NDArray[Any], labels: NDArray[Any], says: str
) -> None:
    stream = io.BytesIO()
    np.savez(stream, frames=frames, labels=labels)
    rewrite(copy, "samples.npz", stream.getvalue())
    with pytest.raises(BundleVerificationError, match=says):
        open_bundle(copy).samples()


@pytest.mark.parametrize("key", ["frames", "scores_0", "scores_2"])
@pytest.mark.parametrize("other", [np.zeros(7), np.zeros((9, 2), np.int8), np.array(1)])
def test_golden_vectors_of_another_kind_are_named(
    copy: Path, key: str, other: NDArray[Any]
) -> None:
    with np.load(copy / "golden.npz") as arrays:
        changed = dict(arrays) | {key: other}
    stream = io.BytesIO()
    np.savez(stream, **changed)
    rewrite(copy, "golden.npz", stream.getvalue())
    with pytest.raises(BundleVerificationError, match="does not hold 8 vectors"):
        open_bundle(copy).golden()


def test_damage_inside_an_archive_is_named(copy: Path) -> None:
    content = bytearray((copy / "samples.npz").read_bytes())
    content[60:90] = bytes(30)
    rewrite(copy, "samples.npz", bytes(content))
    with pytest.raises(BundleVerificationError, match="is not usable"):
        open_bundle(copy).samples()
