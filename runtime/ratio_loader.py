"""The stages of a bundle, loaded at one ratio and bound for the hot path."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from edge_infer.boards.cost_table import Work
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.errors import ModelError
from edge_infer.models_tflite.stage import LoadedStage, RatioStages, run_stages
from edge_infer.runtime.errors import RunError
from edge_infer.runtime.exit_criterion import Criterion, exit_criteria
from edge_infer.runtime.stage_costs import switch_work, works_of


class Step(NamedTuple):
    """What `infer` needs of one stage."""

    prepare: Callable[[NDArray[Any]], Sequence[NDArray[Any]]] | None
    """Frame to stage inputs; None for a stage that takes the features before it."""
    run: Callable[[Sequence[NDArray[Any]]], NDArray[Any]]
    features: Callable[[], Sequence[NDArray[Any]]]
    judge: Criterion
    work: Work


class LoadedRatio(NamedTuple):
    """All stages at one ratio."""

    ratio: str
    stages: list[LoadedStage]
    """With the first of the thread counts."""
    steps: dict[int, tuple[Step, ...]]
    """By thread count."""
    resets: tuple[Callable[[], None], ...]
    """To be called before every frame."""


class RatioLoader:
    """Loads a bundle at one ratio after another.

    Args:
        bundle: an open bundle.
        backend: the kernels.
        threads: thread counts that may be asked for.
    """

    def __init__(self, bundle: Bundle, backend: Backend, threads: Sequence[int]) -> None:
        self._bundle = bundle
        self._stages = RatioStages(bundle, backend, threads)
        self._works: dict[str, tuple[Work, ...]] = {}
        self._changes: dict[str, Work] = {}
        """One work of each kind, since a simulated board keeps the price of every one it saw."""

    def load(self, ratio: str) -> LoadedRatio:
        """Return the bundle at a ratio; what was loaded before is not touched.

        Raises:
            BundleError: the bundle has no such ratio, or a stage cannot be loaded.
            MemoryError: there is no room for it.
        """
        loaded = self._stages.load(ratio)
        works = self._works.setdefault(ratio, works_of(self._bundle, ratio))
        judges = exit_criteria(self._bundle.manifest, ratio)
        steps = {
            count: tuple(
                Step(stage.prepare, stage.run, stage.features, judge, work)
                for stage, judge, work in zip(stages, judges, works, strict=True)
            )
            for count, stages in loaded.items()
        }
        every = (stage for stages in loaded.values() for stage in stages)
        resets = tuple(stage.reset for stage in every if stage.reset is not None)
        return LoadedRatio(ratio, next(iter(loaded.values())), steps, resets)

    def change_to(self, ratio: str) -> Work:
        """Return what a change to a ratio asks of a processor."""
        return self._changes.setdefault(ratio, switch_work(self._bundle.manifest, ratio))

    def exchange(self, ratio: str, now: LoadedRatio) -> LoadedRatio:
        """Return the bundle at a ratio, in the place of what is loaded now.

        Raises:
            RunError: there is no room for it, or a file was replaced; `now` can go on.
            UnknownRatioError: the bundle has no such ratio; likewise.
        """
        try:
            return self.load(ratio)
        except (MemoryError, ModelError, OSError) as error:
            reason = str(error) or "out of memory"
            raise RunError(
                f"ratio {ratio} cannot be loaded ({reason}): it goes on at {now.ratio}"
            ) from error


def warm_up(stages: Sequence[LoadedStage], bundle: Bundle, times: int) -> None:
    """Run all stages on a golden frame: the first inferences of a process are its slowest."""
    if times:
        frame = bundle.golden().frames[0]
        for _ in range(times):
            deque(run_stages(stages, frame), maxlen=0)
