"""Entries of a profile: a value with its source, as a survey makes them."""

import math
from typing import Any

from edge_infer.lab.survey.estimate import Estimate
from edge_infer.lab.survey.figures import Figures
from edge_infer.lab.survey.survey_state import SurveyState

Document = dict[str, Any]
SOURCE = "edge-infer boards survey"


class Entries:
    """Makes entries of figures: value, low and high, source, method, date and firmware."""

    def __init__(self, state: SurveyState, figures: Figures) -> None:
        self._state = state
        computer = figures.computer
        told = [str(computer.get(key, "")) for key in ("kernel", "firmware")]
        self._firmware = ", ".join(text for text in told if text) or "unknown"

    def figure(
        self, estimate: Estimate, method: str, least: int = 0, most: int | None = None
    ) -> Document:
        """Return an integer with its interval, both within limits."""
        top = math.inf if most is None else most
        value, low, high = (
            int(min(top, max(least, each)))
            for each in (round(estimate.value), math.floor(estimate.low), math.ceil(estimate.high))
        )
        return self._entry(value, method) | {"low": min(low, value), "high": max(high, value)}

    def plain(self, value: int | list[int], method: str) -> Document:
        """Return what was read, and has no interval."""
        return self._entry(value, method)

    def _entry(self, value: int | list[int], method: str) -> Document:
        return {
            "value": value,
            "basis": "simulated" if self._state.simulated else "measured",
            "source": SOURCE,
            "method": method,
            "date": self._state.date,
            "firmware": self._firmware,
        }


def assumed(value: int, low: int, high: int, source: str) -> Document:
    """Return a figure that nobody measured, with the range that it may lie in."""
    return {"value": value, "low": low, "high": high, "basis": "synthetic", "source": source}
