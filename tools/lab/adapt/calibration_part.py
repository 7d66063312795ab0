"""The other half of the pictures: what the net with its exits makes of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_infer.lab.adapt.adapted import Adapted
from edge_infer.lab.adapt.duplicates import mirrored_digest, repeated
from edge_infer.lab.adapt.errors import AdaptError
from edge_infer.lab.progress import Progress, counted
from edge_infer.lab.tuning.calibration_data import CalibrationData
from edge_infer.models_tflite import Bundle
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.models_tflite.stage import load_stages, run_stages


def score_calibration_part(
    adapted: Adapted, bundle: Bundle, progress: Progress
) -> tuple[CalibrationData, tuple[NDArray[Any], ...]]:
    """Run the bundle, as it was written, on the pictures that no head was fitted on.

    Pictures that look like one of the other half, or like its mirror image, are left out.

    Args:
        adapted: what the bundle was written of.
        bundle: opened.
        progress: called with how far it is.

    Returns:
        The pictures' labels and groups, without frames, and the raw scores by exit.

    Raises:
        AdaptError: a picture stands in two classes, or none could be read.
        InputError: a picture cannot be taken.
    """
    pictures, indices = adapted.pictures, adapted.parts.calibration
    stages = load_stages(bundle, adapted.backbone.backend)
    rows: list[list[NDArray[Any]]] = [[] for _ in stages]
    digests = [(index, digest) for digest, index in adapted.digests.items()]
    fitted_on, read = set(adapted.digests), []
    progress(f"scoring {len(indices)} pictures to calibrate on")
    told = counted(indices.tolist(), "pictures", progress)
    for index, frame in pictures.frames(told, FrameSpec.of(bundle)):
        digest = mirrored_digest(frame)
        digests.append((index, digest))
        if digest in fitted_on:
            pictures.left_out["looks like one fitted on"] += 1
            continue
        read.append(index)
        for row, scores in zip(rows, run_stages(stages, frame), strict=True):
            row.append(scores)
    repeated(pictures, digests)
    if not read:
        raise AdaptError(f"{pictures.folder}: no picture of the calibration part could be read")
    at = np.array(read, np.intp)
    data = CalibrationData(
        frames=(),
        labels=pictures.labels[at],
        source=f"{pictures.folder.name}, held back from the fit",
        skipped=tuple(pictures.skipped),
        read=pictures.document(),
        groups=None if adapted.groups is None else adapted.groups[at],
    )
    return data, tuple(np.stack(row) for row in rows)
