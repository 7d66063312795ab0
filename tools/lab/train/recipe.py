"""A recipe: everything that decides what a training run makes, as one frozen value."""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

from edge_infer.lab.train.augment import Augment
from edge_infer.lab.train.errors import TrainError, UnknownRecipeError
from edge_infer.lab.tuning import LossBound

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class DataPart:
    """Which images, and what they may be used for."""

    source: str
    """Default for `--data`: see `sources.open_source`."""
    held_back: int
    """Images of the training side that are never trained on: thresholds are chosen on them."""
    credit: str
    license: str
    peak: int = 255
    """Grey level that becomes 1.0 at the net's input; 0 becomes 0.0."""
    test: int = 0
    """Images held out as the test side, where the data set has none of its own."""
    redistribute: bool = False
    """The test side may travel as the bundle's samples."""


@dataclass(frozen=True, slots=True)
class TrainingPart:
    """What all phases share."""

    batch: int
    seed: int
    weight_decay: float = 5e-4
    """Added to the gradient of convolution and dense weights, not of biases or normalisation."""
    momentum: float = 0.9
    label_smoothing: float = 0.0


@dataclass(frozen=True, slots=True)
class PhasePart:
    """A run of epochs with a cosine of its own; phases follow each other."""

    epochs: int
    learning_rate: float
    """Peak of the cosine, reached after the warm-up."""
    warmup_epochs: int = 1
    learns: tuple[str, ...] = ()
    """Exits in the loss, all if empty; what leads only to other exits stands still."""
    exit_weight: float | None = None
    """In place of the weight of each exit but the last."""


@dataclass(frozen=True, slots=True)
class ExitPart:
    """One answer of the net and its share of the loss."""

    name: str
    weight: float = 1.0
    distill: float = 0.0
    """Share of its loss that follows the last exit's softened answer, 0 to 1."""
    temperature: float = 3.0
    little: bool = False
    """In a little/big recipe: asked first; the others are bigs, smallest first."""


@dataclass(frozen=True, slots=True)
class PromisePart:
    """What the thresholds keep."""

    allowed_loss_points: float
    """Of accuracy against the last exit, in percentage points."""
    confidence: float


@dataclass(frozen=True, slots=True)
class PrunablePart:
    """How one weight set comes to stand for several pruning ratios."""

    boards: tuple[str, ...]
    """Simulated boards over whose clocks latency is to be level; their cost models space the
    ratios."""
    spread: float = 1.12
    """Longest over shortest latency of one ratio over the clocks that it serves."""
    mask_epochs: int = 1
    """Epochs at full width that learn the mask, before the phases."""
    mask_penalty: float = 1e-3
    """Weight of the sum of the masks' magnitudes in the loss."""
    distill: float = 0.5
    """Share of a sub-net's loss that follows the full net's softened answer, 0 to 1."""
    temperature: float = 3.0
    between: int = 1
    """How many ratios between the widest and the narrowest each step draws."""
    narrow_weight: float = 1.0
    """Share of its gradient with which a ratio between the widest and the narrowest moves the
    kernels that all share; normalisations and biases of its own get all of it."""
    narrowest_weight: float = 1.0
    """The same of the narrowest ratio, which is trained in every step."""
    widths: Mapping[str, list[int]] = field(default_factory=dict)
    """The ratios by name, where they were chosen once and stay: the cost models have moved on, the
    weights that ship have not. Spaced by the boards' cost models if empty."""
    trunk: str = ""
    """Prunable recipe of the same trunk, if only exit heads are to be learned: its trained nets
    stand still, and its ratios are taken."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run and the bundle it ends in."""

    name: str
    version: str
    kind: Literal["single", "early-exit", "little-big", "prunable"]
    description: str
    data: DataPart
    net: Mapping[str, Any]
    """Keyword arguments of the builder in `nets` that `net.builder` names."""
    training: TrainingPart
    phases: tuple[PhasePart, ...]
    exits: tuple[ExitPart, ...]
    """In the order of the net's outputs; the last one teaches the others. A single net has one."""
    promise: PromisePart | None = None
    """None for a single net: it has no threshold."""
    augment: Augment = field(default_factory=Augment)
    big_target: float = 0.0
    """Little/big: ship the smallest big with this held-back accuracy in percent, else the best."""
    prunable: PrunablePart | None = None
    """Of the kind prunable, whose net has one exit or several."""

    @property
    def loss_bound(self) -> LossBound:
        """What the thresholds of an adaptive net keep."""
        assert self.promise is not None  # parse_recipe asks for it
        return LossBound(self.promise.allowed_loss_points / 100, self.promise.confidence)


def _part(kind: type[_Part], table: Mapping[str, Any], where: str) -> _Part:
    try:
        return kind(**table)
    except TypeError as error:
        wanted = ", ".join(f.name for f in dataclasses.fields(kind))  # type: ignore[arg-type]
        problem = str(error).partition("__init__() ")[2] or str(error)
        raise TrainError(f"{where}: {problem}; its keys are {wanted}") from None


def parse_recipe(text: str, where: str) -> Recipe:
    """Read a recipe from TOML; `where` is for messages.

    Raises:
        TrainError: not TOML, or a key is missing or unknown: which, and which there are.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TrainError(f"{where}: not TOML: {error}") from None
    parts = {
        "data": DataPart, "training": TrainingPart, "promise": PromisePart, "augment": Augment,
        "prunable": PrunablePart,
    }  # fmt: skip
    for key, kind in parts.items():
        if key in table:
            table[key] = _part(kind, table[key], f"{where}: [{key}]")
    for key, kind in {"exits": ExitPart, "phases": PhasePart}.items():
        rows = table.get(key, ())
        table[key] = tuple(_part(kind, row, f"{where}: [[{key}]]") for row in rows)
    if not table["phases"]:
        raise TrainError(f"{where}: no [[phases]]: say for how many epochs to train")
    _check_exits(table, where)
    _check_learns(table["phases"], {part.name for part in table["exits"]}, where)
    return _part(Recipe, table, where)


def _check_exits(table: Mapping[str, Any], where: str) -> None:
    count = len(table["exits"])
    if (table.get("kind") == "prunable") != ("prunable" in table):
        raise TrainError(f"{where}: the kind prunable and [prunable] need each other")
    if "prunable" in table and count == 1:
        return
    if table.get("kind") == "single":
        if count != 1:
            raise TrainError(f"{where}: {count} [[exits]]: a single net has one")
        return
    if count < 2:
        raise TrainError(f"{where}: {count} [[exits]]: an adaptive net has two or more")
    if "promise" not in table:
        raise TrainError(f"{where}: no [promise]: the loss of accuracy that exits may cost")


def _check_learns(phases: tuple[PhasePart, ...], exits: set[str], where: str) -> None:
    for phase in phases:
        unknown = set(phase.learns) - exits
        if unknown:
            raise TrainError(
                f"{where}: [[phases]]: {', '.join(sorted(unknown))} is no exit: "
                f"there are {', '.join(sorted(exits))}"
            )


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes that come with the program."""
    folder = resources.files(__package__) / "recipes"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml")))


def read_recipe(name: str) -> Recipe:
    """Read a recipe by its name, or from a .toml file of one's own.

    Raises:
        UnknownRecipeError: no such recipe.
        TrainError: it cannot be read.
    """
    if name in recipe_names():
        folder = resources.files(__package__) / "recipes"
        return parse_recipe((folder / f"{name}.toml").read_text("utf-8"), f"{name}.toml")
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        return parse_recipe(path.read_text("utf-8"), path.name)
    raise UnknownRecipeError(f"no recipe {name!r}: {', '.join(recipe_names())}, or a .toml file")
