"""The manifest: what a bundle says of itself, as frozen values.

The format is `manifest.schema.json`; `manifest_text` reads and writes it, `consistency` holds what
a schema cannot say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, inf
from typing import Any, Literal

from edge_infer.models_tflite.errors import UnknownRatioError
from edge_infer.models_tflite.stage_spec import Op, Stage, TensorSpec

FULL_RATIO = "1.0"
"""The full width, which every bundle has."""


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Channels that one count per ratio cuts."""

    key: str
    """Name of the constant in the model that makes them."""
    channels: int
    """At full width."""


@dataclass(frozen=True, slots=True)
class RatioStage:
    """What a stage has at a ratio; the rest is as at full width."""

    tensors: tuple[TensorSpec, ...]
    """Its input."""
    scale: float
    """Of its scores."""
    zero_point: int
    """Of its scores."""
    ops: tuple[Op, ...]
    macs: int


@dataclass(frozen=True, slots=True)
class RatioSpec:
    """One ratio below the full width."""

    keep: tuple[int, ...]
    """Channels kept of each group."""
    stages: tuple[RatioStage, ...]


@dataclass(frozen=True)
class Prunable:
    """How the stages of a bundle can be pruned."""

    format: Literal["prefix-1"]
    """The coding inside the .tflite files: prunable/FORMAT.md."""
    groups: tuple[ChannelGroup, ...]
    auxiliary_bytes: int
    """What all ratios together add to the stage files."""
    ratios: Mapping[str, RatioSpec]


def nearest_ratio(ratios: Iterable[str], wanted: float) -> str:
    """Return the name of the ratio nearest to a number; of two equally near the wider."""
    return min(ratios, key=lambda name: (abs(float(name) - wanted), -float(name)))


def stage_at(stage: Stage, own: RatioStage) -> Stage:
    """Return a stage as it is at a ratio; file and bytes stay those of the full width."""
    return replace(
        stage,
        input=replace(stage.input, tensors=own.tensors),
        scores=replace(stage.scores, scale=own.scale, zero_point=own.zero_point),
        ops=own.ops,
        macs=own.macs,
    )


__all__ = [
    "BackendInfo",
    "CalibratedExit",
    "Calibration",
    "ChosenOn",
    "Criterion",
    "FULL_RATIO",
    "FileInfo",
    "Golden",
    "Kind",
    "MANIFEST_FILE",
    "Manifest",
    "Samples",
    "Stage",
    "Thresholds",
]

MANIFEST_FILE = "manifest.json"

Kind = Literal["early-exit", "little-big", "prunable", "single"]
Criterion = Literal["score-margin", "top-score", "entropy"]


@dataclass(frozen=True, slots=True)
class ChosenOn:
    """How thresholds were chosen."""

    data: str
    rule: str
    allowed_loss_points: float | None
    confidence: float | None
    samples: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Exit thresholds of one ratio."""

    criterion: Criterion
    values: tuple[float | tuple[float, ...], ...]
    """One per stage but the last: a number, or one per label. Integers in score LSB for integer
    heads (score-margin, top-score); nats for entropy."""
    chosen_on: ChosenOn
    temperatures: tuple[float, ...] | None = None
    """One per stage: what logits are divided by, so that their softmax is a probability; None
    where nobody fitted any."""


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """The kernels that made or chose something."""

    backend: str
    version: str
    resolver: Literal["auto", "builtin", "reference"]
    arch: str

    def __str__(self) -> str:
        return f"{self.backend} {self.version} ({self.resolver}, {self.arch})"

    def document(self) -> dict[str, str]:
        """Return it as results name it: name, version, resolver, arch."""
        return {
            "name": self.backend,
            "version": self.version,
            "resolver": self.resolver,
            "arch": self.arch,
        }


@dataclass(frozen=True, slots=True)
class Golden:
    """The vectors of the self-test."""

    file: str
    count: int
    wide: tuple[float, ...]
    """One per stage, in score units: a margin of at least this survives a change of kernels, at
    every pruning ratio."""
    made_with: BackendInfo


@dataclass(frozen=True, slots=True)
class Samples:
    """Real inputs that travel with the bundle."""

    file: str
    count: int
    license: str


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a file must be."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class CalibratedExit:
    """Calibration inputs that left at an exit, and how sure they were there."""

    left: int
    edges: tuple[float, ...]
    """Between the cells of the confidence, rising: a cell ends with its edge."""
    counts: tuple[int, ...]
    """Inputs by cell: one more than edges."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What calibration inputs came to at one ratio, with its thresholds."""

    data: str
    inputs: int
    right: int
    exits: tuple[CalibratedExit, ...]
    """One per stage."""

    @property
    def accuracy(self) -> float:
        """Share of the inputs that was answered right."""
        return self.right / self.inputs

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of the inputs that left at each exit."""
        return tuple(exit_.left / self.inputs for exit_ in self.exits)


@dataclass(frozen=True)
class Manifest:
    """Everything a bundle says of itself."""

    name: str
    version: str
    kinds: tuple[Kind, ...]
    description: str
    license: str
    labels: tuple[str, ...]
    ratios: tuple[str, ...]
    stages: tuple[Stage, ...]
    thresholds: Mapping[str, Thresholds]
    predictor: Mapping[str, Mapping[str, Any]] | None
    tuned_on: BackendInfo
    golden: Golden
    samples: Samples | None
    files: Mapping[str, FileInfo]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    prunable: Prunable | None = None
    calibration: Mapping[str, Calibration] | None = None
    """By ratio; None for what no thresholds were chosen for, and in older manifests."""
    leaving: Mapping[str, Mapping[str, Any]] | None = None
    """By ratio, what leaving costs where the thresholds say stay: `runtime.exit_chain` reads it."""

    def stages_at(self, ratio: str) -> tuple[Stage, ...]:
        """Return the stages as they are at a ratio.

        Raises:
            UnknownRatioError: the bundle has no such ratio; those that it has are listed.
        """
        if ratio not in self.ratios:
            raise UnknownRatioError(
                f"{self.name} has no ratio {ratio}; there are: {', '.join(self.ratios)}"
            )
        if ratio == FULL_RATIO or self.prunable is None:
            return self.stages
        return tuple(map(stage_at, self.stages, self.prunable.ratios[ratio].stages))

    def ratio_figure(self, ratio: str, *keys: str) -> float | None:
        """Return a figure that the provenance tells of a ratio: it may tell anything, or nothing.

        Args:
            ratio: one of the ratios.
            keys: below the ratio, for example "test" and an exit's name for an accuracy in percent.
        """
        found: Any = self.provenance.get("ratios")
        for key in (ratio, *keys):
            found = found.get(key) if isinstance(found, Mapping) else None
        return float(found) if isinstance(found, int | float) else None


def untuned(dtypes: Sequence[str], criterion: Criterion = "score-margin") -> Thresholds:
    """Return thresholds that let no frame leave early.

    Args:
        dtypes: of the heads of all stages but the last.
        criterion: how they are judged.
    """
    values = tuple(threshold_value(criterion, inf, dtype) for dtype in dtypes)
    return Thresholds(criterion, values, ChosenOn("none", "not tuned yet", None, None, 0))


def threshold_value(criterion: Criterion, confidence: float, dtype: str) -> float:
    """Return the manifest's threshold for "leave at this confidence or above".

    Args:
        criterion: for entropy, the manifest states the most nats to leave with.
        confidence: more is surer; infinity never leaves.
        dtype: of the head: int8 and uint8 thresholds are integers.
    """
    import numpy as np  # what only reads a manifest, or lists options, does without

    if criterion == "entropy":
        return -1.0 if confidence == inf else -confidence
    if dtype == "float32":
        return float(np.finfo(np.float32).max) if confidence == inf else confidence
    most = np.iinfo(dtype).max - (np.iinfo(dtype).min if criterion == "score-margin" else 0)
    return int(most) + 1 if confidence == inf else ceil(confidence)
