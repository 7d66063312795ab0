"""The manifest: what a bundle says of itself, as frozen values.

The format is `manifest.schema.json`; `manifest_text` reads and writes it, `consistency` holds what
a schema cannot say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edge_infer.models_tflite.errors import UnknownRatioError
from edge_infer.models_tflite.ratio_spec import FULL_RATIO, Prunable, stage_at
from edge_infer.models_tflite.stage_spec import Stage

__all__ = [
    "BackendInfo",
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


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """The kernels that made or chose something."""

    backend: str
    version: str
    resolver: Literal["auto", "builtin", "reference"]
    arch: str

    def __str__(self) -> str:
        return f"{self.backend} {self.version} ({self.resolver}, {self.arch})"


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
