"""Stages ready to run: the hot path between frame and scores, at any pruning ratio of a bundle."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from edge_infer.models_tflite.backend import Backend, Interpreter
from edge_infer.models_tflite.bundle import Bundle
from edge_infer.models_tflite.errors import ModelError
from edge_infer.models_tflite.manifest import FULL_RATIO
from edge_infer.models_tflite.probe import vouch
from edge_infer.models_tflite.quantization import FrameInput
from edge_infer.models_tflite.stage_spec import Stage

if TYPE_CHECKING:
    from edge_infer.models_tflite.prunable.model import PrunableModel

SCALE_TOLERANCE = 1e-6
"""Relative; boundaries that were calibrated twice differ in the last bits of a float32."""


class LoadedStage:
    """One interpreter with its tensor indices and methods looked up.

    `set_tensor` and `get_tensor` copy, and at these sizes that is faster than views (0.33 us
    against 0.5 to 0.6 us); `get_input_details` costs 2.7 us, so it is asked once.
    """

    __slots__ = ("features", "interpreter", "prepare", "reset", "run", "spec")

    def __init__(self, spec: Stage, interpreter: Interpreter):
        self.spec = spec
        self.interpreter = interpreter
        self.prepare: Callable[[NDArray[Any]], tuple[NDArray[Any]]] | None = (
            _preparer(spec) if spec.input.reads == "frame" else None
        )
        """Frame to inputs of `run` (raises FrameError); None for a stage that reads features."""
        self.run: Callable[[Sequence[NDArray[Any]]], NDArray[Any]] = _runner(spec, interpreter)
        """Runs the stage once: takes one array per input tensor, shape [1, ...] and dtype as the
        tensor's (what `prepare` made of a frame, or the features of the stage before), and returns
        the raw scores, shape [labels], in the head's own dtype; a background class is gone."""
        self.features: Callable[[], Sequence[NDArray[Any]]] = _feature_getter(spec, interpreter)
        """Returns what the last run hands to the next stage, each of shape [1, ...]."""
        self.reset: Callable[[], None] | None = (
            interpreter.reset_all_variables if spec.stateful else None
        )
        """Puts variable tensors back to zero, to be called between frames; None without any."""


def _runner(
    spec: Stage, interpreter: Interpreter
) -> Callable[[Sequence[NDArray[Any]]], NDArray[Any]]:
    inputs = [detail["index"] for detail in interpreter.get_input_details()]
    output = interpreter.get_output_details()[spec.scores.output]
    index, offset = output["index"], spec.scores.label_offset
    set_tensor, invoke = interpreter.set_tensor, interpreter.invoke
    get_tensor = interpreter.get_tensor

    def run(values: Sequence[NDArray[Any]]) -> NDArray[Any]:
        for at, value in zip(inputs, values, strict=True):
            set_tensor(at, value)
        invoke()
        scores: NDArray[Any] = get_tensor(index).reshape(-1)[offset:]
        return scores

    def run_plain(values: Sequence[NDArray[Any]]) -> NDArray[Any]:
        # What nearly all stages are, without the loop and the reshape: 0.6 us less of 1.0.
        set_tensor(first, values[0])
        invoke()
        scores: NDArray[Any] = get_tensor(index)[0]
        return scores

    if len(inputs) > 1 or offset or len(output["shape"]) != 2:
        return run
    first = inputs[0]
    return run_plain


def _feature_getter(spec: Stage, interpreter: Interpreter) -> Callable[[], Sequence[NDArray[Any]]]:
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    handed, get_tensor = [outputs[index] for index in spec.features], interpreter.get_tensor
    if len(handed) == 1:
        only = handed[0]
        return lambda: (get_tensor(only),)
    return lambda: [get_tensor(index) for index in handed]


def _preparer(spec: Stage) -> Callable[[NDArray[Any]], tuple[NDArray[Any]]]:
    frame_input = FrameInput(spec.input)
    table, shape, whole = frame_input.byte_table, spec.input.frame_shape, (1, *spec.input.shape)
    dtype = np.dtype(spec.input.dtype)
    source = np.dtype(spec.input.preprocess.source if spec.input.preprocess else "uint8")

    def prepare(frame: NDArray[Any]) -> tuple[NDArray[Any]]:
        return (frame_input(frame),)

    def prepare_plain(frame: NDArray[Any]) -> tuple[NDArray[Any]]:
        # What nearly all frames are, through `bytes.translate`: half the time of numpy's take.
        if frame.dtype is source and frame.shape == shape:
            return (np.ndarray(whole, dtype, frame.tobytes().translate(table)),)
        return (frame_input(frame),)

    return prepare if table is None else prepare_plain


def run_stages(stages: Sequence[LoadedStage], frame: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Run stages one after the other on a frame, whatever an exit would decide.

    Yields:
        Each stage's raw scores, valid until that stage runs again.

    Raises:
        FrameError: the frame has another shape or dtype than the bundle takes.
    """
    inputs: Sequence[NDArray[Any]] = ()
    for stage in stages:
        if stage.reset is not None:
            stage.reset()
        if stage.prepare is not None:
            inputs = stage.prepare(frame)
        yield stage.run(inputs)
        inputs = stage.features()


def load_stages(
    bundle: Bundle, backend: Backend, num_threads: int = 1, ratio: str = FULL_RATIO
) -> list[LoadedStage]:
    """Load every stage of a verified bundle.

    Raises:
        ModelError: an interpreter refuses a model, a model is not as the manifest says, or
            features do not chain; the message names the stage and the tensor.
        UnknownRatioError: the bundle has no such pruning ratio.
    """
    specs = bundle.manifest.stages_at(ratio)
    models = [bundle.stage_model(index, ratio) for index in range(len(specs))]
    return connect_stages(specs, models, backend, num_threads)


def connect_stages(
    specs: Sequence[Stage], models: Sequence[bytes], backend: Backend, num_threads: int = 1
) -> list[LoadedStage]:
    """Load models as the stages that they are said to be; raises ModelError as `load_stages`."""
    vouch(zip((spec.name for spec in specs), models, strict=True), backend)
    return _connect_vouched(specs, models, backend, num_threads)


def _connect_vouched(
    specs: Sequence[Stage], models: Sequence[bytes], backend: Backend, num_threads: int
) -> list[LoadedStage]:
    stages = []
    handed: Sequence[Mapping[str, Any]] = ()
    for spec, model in zip(specs, models, strict=True):
        interpreter = backend.load_vouched(model, num_threads)
        check_model(spec, interpreter)
        if spec.input.reads == "previous":
            _check_chain(spec, handed, interpreter.get_input_details())
        outputs = interpreter.get_output_details()
        handed = [outputs[output] for output in spec.features]
        stages.append(LoadedStage(spec, interpreter))
    return stages


def check_model(spec: Stage, interpreter: Interpreter) -> None:
    """Check that a model's tensors are those of its manifest entry.

    Raises:
        ModelError: names the tensor, what the model has and what the manifest says.
    """
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    _expect(spec, "inputs", len(inputs), len(spec.input.tensors))
    for index, (found, wanted) in enumerate(zip(inputs, spec.input.tensors, strict=True)):
        _expect(spec, f"input {index} shape", _shape(found), (1, *wanted.shape))
        _expect_type(spec, f"input {index}", found, wanted.dtype, wanted.scale, wanted.zero_point)
    highest = max(spec.scores.output, *spec.features, 0)
    if highest >= len(outputs):
        raise ModelError(f"stage {spec.name}: the manifest wants output {highest}, the model has "
                         f"{len(outputs)}")  # fmt: skip
    head = outputs[spec.scores.output]
    _expect(spec, "scores shape", (1, int(np.prod(head["shape"]))), (1, spec.scores.classes))
    _expect_type(spec, "scores", head, spec.scores.dtype, spec.scores.scale, spec.scores.zero_point)


def _check_chain(
    spec: Stage, handed: Sequence[Mapping[str, Any]], taken: Sequence[Mapping[str, Any]]
) -> None:
    for index, (before, after) in enumerate(zip(handed, taken, strict=True)):
        scale, zero_point = before["quantization"]
        what = f"input {index}, against the stage before it:"
        _expect(spec, f"{what} shape", _shape(after), _shape(before))
        _expect_type(spec, what, after, np.dtype(before["dtype"]).name, scale, zero_point)


def _expect_type(
    spec: Stage, what: str, found: Mapping[str, Any], dtype: str, scale: float, zero_point: int
) -> None:
    found_scale, found_zero_point = found["quantization"]
    _expect(spec, f"{what} dtype", np.dtype(found["dtype"]).name, dtype)
    if abs(found_scale - scale) > SCALE_TOLERANCE * max(abs(scale), abs(found_scale)):
        _refuse(spec, f"{what} scale", f"{found_scale:.9g}", f"{scale:.9g}")
    _expect(spec, f"{what} zero point", found_zero_point, zero_point)


def _expect(spec: Stage, what: str, found: object, wanted: object) -> None:
    if found != wanted:
        _refuse(spec, what, found, wanted)


def _refuse(spec: Stage, what: str, found: object, wanted: object) -> NoReturn:
    raise ModelError(
        f"stage {spec.name}: {what} is {found} in {spec.file}, wants {wanted}: the parts are not "
        "from one model, make the bundle again"
    )


def _shape(detail: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in detail["shape"])


class RatioStages:
    """The stages of a bundle at any of its ratios, quick to switch between.

    Opens the stage files once, and has every ratio vouched for; loading a ratio then patches a copy
    and makes interpreters.

    Between switches it holds where to patch, not the weights.

    Args:
        bundle: an opened bundle, prunable or not.
        backend: the kernels.
        threads: thread counts to load interpreters for.

    Raises:
        PrunableError: a stage file of a prunable bundle is none.
        ModelError: a stage of the bundle does not run at one of its ratios.
    """

    def __init__(self, bundle: Bundle, backend: Backend, threads: Sequence[int] = (1,)) -> None:
        self._bundle, self._backend, self._threads = bundle, backend, tuple(threads)
        self._models = _opened(bundle) if bundle.manifest.prunable is not None else []
        vouch(all_models(bundle), backend)

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
            count: _connect_vouched(specs, models, self._backend, count) for count in self._threads
        }


def all_models(bundle: Bundle) -> Iterator[tuple[str, bytes]]:
    """Yield every stage at every ratio, each with the name that a message has for it.

    Raises:
        PrunableError: a stage file of a prunable bundle is none.
        UnknownRatioError: a file lacks a ratio of the manifest.
    """
    ratios = [ratio for ratio in bundle.manifest.ratios if ratio != FULL_RATIO]
    for index, stage in enumerate(bundle.manifest.stages):
        model = bundle.stage_model(index)
        yield stage.name, model
        if ratios:
            from edge_infer.models_tflite.prunable.model import PrunableModel

            opened = PrunableModel.open(model)
            yield from ((f"{stage.name}@{ratio}", opened.materialise(ratio)) for ratio in ratios)


def _opened(bundle: Bundle) -> list["PrunableModel"]:
    from edge_infer.models_tflite.prunable.model import PrunableModel  # few bundles need it

    return [PrunableModel.open(bundle.path / stage.file) for stage in bundle.manifest.stages]
