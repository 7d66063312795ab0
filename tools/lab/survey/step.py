"""A step of a survey: what it tests, what it changes meanwhile, and the units it is made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.survey_state import SurveyState

Found = dict[str, Any]
"""What a unit found, as JSON takes it."""


def nothing_lacks(rig: Rig, state: SurveyState) -> str:
    """Return that a step needs nothing."""
    return ""


@dataclass(frozen=True)
class Step:
    """One thing that is tested."""

    name: str
    title: str
    units: Callable[[Rig, SurveyState], Sequence[str]]
    """What it is made of, in order; each is measured and kept by itself."""
    run: Callable[[Rig, SurveyState, str], Found]
    """Measures a unit."""
    seconds: Callable[[Rig, str], float]
    """About how long a unit takes."""
    lacks: Callable[[Rig, SurveyState], str] = nothing_lacks
    """Why it cannot be done here, with what mends it; empty where it can."""
    changes: str = ""
    """What it changes on the machine meanwhile; empty for nothing."""
