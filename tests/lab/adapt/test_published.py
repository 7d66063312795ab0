"""MobileNet v1 0.5@160, as Coral publishes it, adapted to CIFAR-10 pictures in JPEG."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from edge_infer.commands.adapt import adapt_command
from edge_infer.models_tflite.backend import open_backend
from edge_infer.models_tflite.bundle import open_bundle
from edge_infer.models_tflite.golden import run_all
from edge_infer.models_tflite.stage import load_stages

SHARED = Path(__file__).parents[3].parent / "shared" / "data"
NET = SHARED / "models" / "coral" / "mobilenet_v1_0.5_160_quant.tflite"
PICTURES = SHARED / "cifar10_jpeg"
PER_CLASS, UNSEEN = 200, 50


def unpack_some(archive: Path, folder: Path, each: int) -> Path:
    """Extract so many pictures of each class."""
    counts: dict[str, int] = {}
    with tarfile.open(archive) as tar:
        for entry in tar:
            parts = Path(entry.name).parts
            if entry.isfile() and counts.setdefault(parts[-2], 0) < each:
                counts[parts[-2]] += 1
                file = tar.extractfile(entry)
                assert file is not None
                (folder / parts[-2]).mkdir(parents=True, exist_ok=True)
                (folder / parts[-2] / parts[-1]).write_bytes(file.read())
    return folder


@pytest.mark.slow
def test_2000_pictures_make_an_adaptive_net_that_keeps_its_promise(tmp_path: Path) -> None:
    if not NET.is_file() or not (PICTURES / "cifar10_jpeg_train.tar.gz").is_file():
        pytest.skip("no ../shared/data with Coral's MobileNet and CIFAR-10 in JPEG")
    data = unpack_some(PICTURES / "cifar10_jpeg_train.tar.gz", tmp_path / "data", PER_CLASS)
    out = tmp_path / "out"
    result = CliRunner().invoke(
        adapt_command, [str(NET), "--data", str(data), "-o", str(out), "--loss", "2", "--json"]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout[result.stdout.index("{") :])
    rows = document["adapt"]["exits"]
    assert rows[-1]["accuracy"] > 0.6 and document["tuning"]["pays"]
    assert document["adapt"]["macs"]["saving_percent"] > 5
    bundle = open_bundle(out)
    unseen = unpack_some(PICTURES / "cifar10_jpeg_test.tar.gz", tmp_path / "test", UNSEEN)
    found = sorted(unseen.rglob("*.jpg"))
    size = (160, 160)
    frames = [
        np.asarray(Image.open(p).convert("RGB").resize(size, Image.Resampling.BILINEAR))
        for p in found
    ]
    names = list(bundle.manifest.labels)
    labels = np.array([names.index(path.parent.name) for path in found])
    scores = run_all(load_stages(bundle, open_backend()), frames)
    cast = [rows.astype(int) for rows in scores]
    margins = [np.diff(np.sort(rows, axis=1)[:, -2:], axis=1)[:, 0] for rows in cast]
    limits = [*bundle.manifest.thresholds["1.0"].values, -1]
    leaves = np.array([m >= limit for m, limit in zip(margins, limits, strict=True)])
    answers = np.array([rows.argmax(axis=1) for rows in cast])
    adaptive = answers[leaves.argmax(axis=0), np.arange(len(labels))]
    lost = (answers[-1] == labels).mean() - (adaptive == labels).mean()
    assert lost <= 0.02 + 2 * (0.1 / len(labels)) ** 0.5
