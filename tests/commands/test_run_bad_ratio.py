"""`run` on prunable bundles that somebody made wrongly: one line, exit code 3, nothing run."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fakes.prunable_bundles import write_prunable_bundle
from tests.fakes.prunable_nets import early_exits

from edge_infer.commands.root import run_line
from edge_infer.models_tflite.cut import cut
from edge_infer.models_tflite.prunable import own_constants
from edge_infer.models_tflite.prunable.flat import FlatModel
from edge_infer.models_tflite.prunable.layout import METADATA_NAME

EXITS = ["exit_1", "exit_2", "exit_3"]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_prunable_bundle(tmp_path_factory.mktemp("bundles")).path)


def without_part(file: bytes) -> bytes:
    return cut(own_constants(early_exits("int8")), EXITS)[1].model


def newer(file: bytes) -> bytes:
    place = FlatModel(file).metadata(METADATA_NAME)
    assert place is not None
    return file[: place.at + 4] + b"\2" + file[place.at + 5 :]


def other_hash(file: bytes) -> bytes:
    weights = next(tensor.data for tensor in FlatModel(file).tensors if tensor.data.length)
    return file[: weights.at] + bytes([file[weights.at] ^ 1]) + file[weights.at + 1 :]


@pytest.mark.parametrize("ratio", ["1.0", "0.5"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_part, "no prunable part: it is a plain model"),
        (newer, "format version 2, this program reads 1"),
        (other_hash, "is not the one that its prunable part was made for"),
    ],
)
def test_a_stage_that_cannot_be_pruned_is_refused_in_one_line(
    bundle: str,
    change: Callable[[bytes], bytes],
    message: str,
    ratio: str,
    tmp_path: Path,
    capsys: Capture,
) -> None:
    """Its hash in the manifest is right: somebody made the bundle so."""
    folder = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    manifest = json.loads((folder / "manifest.json").read_text())
    stage = manifest["stages"][1]
    content = change((folder / stage["file"]).read_bytes())
    (folder / stage["file"]).write_bytes(content)
    info = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest["files"][stage["file"]], stage["bytes"] = info, len(content)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert run_line(["run", str(folder), "--board", "sim:raspberry-pi-4b", "--ratio", ratio]) == 3
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
