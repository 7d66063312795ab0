"""A published net as it is adapted: how frames enter it, where it can have exits, what runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_infer.lab.adapt.exit_points import ExitPoint, ExitPoints, find_exit_points
from edge_infer.lab.adapt.features import Extractor
from edge_infer.lab.adapt.own_head import OwnHead
from edge_infer.models_tflite.backend import Backend
from edge_infer.models_tflite.classifier import Classifier, FrameOptions, read_classifier
from edge_infer.models_tflite.describe import tensor_spec
from edge_infer.models_tflite.errors import ModelNotSupportedError
from edge_infer.models_tflite.frame_spec import FrameSpec
from edge_infer.models_tflite.quantization import FrameInput
from edge_infer.models_tflite.stage_spec import StageInput
from edge_infer.models_tflite.tensors import described


@dataclass(frozen=True)
class Backbone:
    """The net, and all that is done with it stays with it."""

    net: Classifier
    frames: FrameOptions
    points: ExitPoints
    backend: Backend
    own: OwnHead | None = None
    """Its own classifier, where that is the last exit."""

    @classmethod
    def of(cls, net: Classifier, frames: FrameOptions, backend: Backend) -> "Backbone":
        """Look through a net of one input and one output.

        Raises:
            AdaptError: no head can read any of its tensors.
        """
        return cls(net, frames, find_exit_points(net.graph), backend)

    @property
    def taken(self) -> StageInput:
        """How frames enter it. Raises ModelNotSupportedError where they cannot so."""
        tensor = self.net.graph.tensors[self.net.graph.inputs[0]]
        return StageInput("frame", (tensor_spec(tensor),), self.net.preprocess(self.frames))

    def spec(self, classes: int) -> FrameSpec:
        """Return the frames that it takes."""
        return FrameSpec.of_input(self.taken, classes)

    def extractor(self, points: Sequence[ExitPoint]) -> Extractor:
        """Return what runs it up to some points, and to its own scores where these are wanted."""
        scores = None if self.own is None else self.net.graph.outputs[0]
        return Extractor(self.net.model, points, scores, FrameInput(self.taken), self.backend)


def read_backbone(path: Path) -> Classifier:
    """Read a net of one input and one output, which may but need not be a classifier's.

    Raises:
        ModelNotSupportedError: it has several; they are listed.
    """
    net = read_classifier(path, several_outputs=True)
    graph = net.graph
    for what, tensors, why in (
        ("inputs", graph.inputs, "an exit's stage reads one frame; export it for pictures alone"),
        ("outputs", graph.outputs, "give a net with the one it was trained for; if they are "
         "exits already, cut it at them: bundle cut"),
    ):  # fmt: skip
        if len(tensors) != 1:
            listed = described(graph, [graph.tensors[index] for index in tensors])
            raise ModelNotSupportedError(f"{net.name}: {len(tensors)} {what} ({listed}): {why}")
    return net
