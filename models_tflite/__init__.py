"""Bundles of TFLite models: what they hold, how they are checked, loaded, cut and built.

Open one with `open_bundle`, choose kernels with `open_backend`, and run its stages:

    bundle = open_bundle("digits-early-exit")
    stages = load_stages(bundle, open_backend())
    scores = stages[0].run(stages[0].prepare(frame))
"""

from typing import TYPE_CHECKING

from edge_infer.lazy import exports

if TYPE_CHECKING:
    from edge_infer.models_tflite.backend import (
        BACKEND_NAMES,
        RESOLVER_NAMES,
        Backend,
        open_backend,
    )
    from edge_infer.models_tflite.bundle import Bundle, open_bundle, shipped_names
    from edge_infer.models_tflite.errors import (
        BackendError,
        BundleEmptyError,
        BundleError,
        BundleNotFoundError,
        BundleVerificationError,
        CutError,
        FrameError,
        ManifestError,
        ModelError,
        ModelNotSupportedError,
        UnknownBackendError,
        UnknownRatioError,
    )
    from edge_infer.models_tflite.manifest import Manifest
    from edge_infer.models_tflite.quantization import FrameInput
    from edge_infer.models_tflite.stage import LoadedStage, load_stages

__all__ = [
    "open_bundle",
    "shipped_names",
    "Bundle",
    "Manifest",
    "open_backend",
    "Backend",
    "BACKEND_NAMES",
    "RESOLVER_NAMES",
    "load_stages",
    "LoadedStage",
    "FrameInput",
    "BundleError",
    "BundleNotFoundError",
    "BundleEmptyError",
    "BundleVerificationError",
    "ManifestError",
    "ModelError",
    "ModelNotSupportedError",
    "CutError",
    "BackendError",
    "UnknownBackendError",
    "UnknownRatioError",
    "FrameError",
]

if not TYPE_CHECKING:  # so that type checkers find a name that is not there
    __getattr__, __dir__ = exports(
        __name__,
        {
            "edge_infer.models_tflite.backend": "BACKEND_NAMES RESOLVER_NAMES Backend open_backend",
            "edge_infer.models_tflite.bundle": "Bundle open_bundle shipped_names",
            "edge_infer.models_tflite.errors": (
                "BackendError BundleEmptyError BundleError BundleNotFoundError "
                "BundleVerificationError CutError FrameError ManifestError ModelError "
                "ModelNotSupportedError UnknownBackendError UnknownRatioError"
            ),
            "edge_infer.models_tflite.manifest": "Manifest",
            "edge_infer.models_tflite.quantization": "FrameInput",
            "edge_infer.models_tflite.stage": "LoadedStage load_stages",
        },
    )
