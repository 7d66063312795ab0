"""The records that flow: a frame comes in, an inference record goes out.

`Frame -> StageResult -> ExitDecision -> OperatingPoint -> InferenceRecord`. All times are ns on
the board's timebase, all energies nJ.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from edge_infer.boards.cost_table import OperatingPoint
from edge_infer.boards.power import Origin

if TYPE_CHECKING:
    from edge_infer.runtime.answers import Answer


class Frame(NamedTuple):
    """One input, as the source gave it."""

    number: int
    """Position in the source, from 0; repeats of a source go on counting."""
    data: NDArray[Any]
    """The input of the stages that read the frame: the shape the manifest states, uint8 or
    float32 before preprocessing, or the stage's own dtype if it is already quantised."""
    arrival_ns: int | None = None
    """When the frame became available; None means when it is taken up."""
    deadline_ns: int | None = None
    """When its answer is due, or None."""
    label: int | None = None
    """The true class, where the source knows it."""
    name: str = ""
    """A file name or the like, for messages."""


class StageResult(NamedTuple):
    """What one stage said."""

    stage: int
    scores: NDArray[Any]
    """Raw scores of the exit head, shape [classes], in the head's own dtype."""
    end_ns: int


class ExitDecision(NamedTuple):
    """Leave with this answer, or go on."""

    leave: bool
    answer: int
    """Index of the top score."""
    confidence: float
    """The criterion's value in score units: LSB for integer heads."""


@dataclass(slots=True)
class InferenceEnergy:
    """The energy of one inference, arrival waits excluded."""

    origin: Origin
    gross_nj: int
    net_nj: int
    """Gross minus the board's idle reference power over the same window."""
    uncertainty_nj: int | None
    """Half width of the interval that holds the net energy with about 95 % confidence; None
    where nothing bounds it (a model without a meter)."""
    apportioned_share: float
    """Share of the gross energy that the cost table split, not the meter: 0 to 1."""


@dataclass(slots=True)
class InferenceRecord:
    """Everything known about one inference."""

    number: int
    answer: int
    exit: int
    """Index of the stage that answered."""
    confidence: float
    arrival_ns: int
    start_ns: int
    """When the runtime took the frame up."""
    end_ns: int
    stage_start_ns: tuple[int, ...]
    """Start of each stage that ran; the gap after the stage before it went to choosing and
    setting the operating point."""
    stage_end_ns: tuple[int, ...]
    """End of each stage that ran, decision included."""
    points: tuple[OperatingPoint, ...]
    """Operating point in force for each stage that ran."""
    switches: int = 0
    """Changes of the operating point within this inference."""
    invoke_ns: int = 0
    """Time inside the interpreters, on a real board; the rest of `busy_ns` is overhead."""
    label: int | None = None
    """The true class, where it is known."""
    deadline_ns: int | None = None
    ratio: str = "1.0"
    """Pruning ratio of the frame, as the manifest writes it."""
    exit_probabilities: tuple[float, ...] | None = None
    """What the predictor said after the first exit: one probability per later exit."""
    energy: InferenceEnergy | None = None
    """Filled when the meter's samples cover the inference."""
    answer_label: str = ""
    """Name of the class `answer`, as the manifest has it."""
    name: str = ""
    """Of the frame: a file name or the like."""
    scores: NDArray[Any] | None = None
    """Raw scores that the answer was taken from, shape [classes]; on request."""
    reading: "Answer | None" = None
    """The answer in words, once an `AnswerReader` has read it."""
    gated: bool = False
    """The picture was almost unchanged: no stage ran, answer and exit are those of the last one."""
    net_answer: int | None = None
    """What the net said where smoothing gave another answer."""

    @property
    def latency_ns(self) -> int:
        """From arrival to answer."""
        return self.end_ns - self.arrival_ns

    @property
    def busy_ns(self) -> int:
        """From take-up to answer: what the inference itself cost in time."""
        return self.end_ns - self.start_ns

    @property
    def missed(self) -> bool:
        """True when the answer came after its deadline."""
        return self.deadline_ns is not None and self.end_ns > self.deadline_ns

    @property
    def correct(self) -> bool | None:
        """Whether the answer is the label; None without one."""
        return None if self.label is None else self.answer == self.label
