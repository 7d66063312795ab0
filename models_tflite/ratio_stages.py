"""The stages of a prunable bundle at any of its ratios, quick to switch between."""

from collections.abc import Sequence

from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.prunable.model import PrunableModel
from edge_infer.models_tflite.stage import LoadedStage, connect_stages


class RatioStages:
    """Opens the stage files once; loading a ratio then patches a copy and makes interpreters.

    Between switches it holds where to patch, not the weights.

    Args:
        bundle: an opened bundle, prunable or not.
        backend: the kernels.
        threads: thread counts to load interpreters for.

    Raises:
        PrunableError: a stage file of a prunable bundle is none.
    """

    def __init__(self, bundle: Bundle, backend: Backend, threads: Sequence[int] = (1,)) -> None:
        self._bundle, self._backend, self._threads = bundle, backend, tuple(threads)
        prunable = bundle.manifest.prunable is not None
        files = [bundle.path / stage.file for stage in bundle.manifest.stages]
        self._models = [PrunableModel.open(file) for file in files] if prunable else []

    def load(self, ratio: str) -> dict[int, list[LoadedStage]]:
        """Return all stages at a ratio, by thread count.

        Raises:
            UnknownRatioError: the bundle has no such ratio.
            ModelError: a file was replaced, an interpreter refuses a model, or a model is not as
                the manifest says.
            MemoryError: there is no room for it beside what is loaded.
        """
        specs = self._bundle.manifest.stages_at(ratio)
        if self._models:
            models = [model.materialise(ratio) for model in self._models]
        else:
            models = [self._bundle.stage_model(index) for index in range(len(specs))]
        return {
            count: connect_stages(specs, models, self._backend, count) for count in self._threads
        }
