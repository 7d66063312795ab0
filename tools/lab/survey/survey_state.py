"""What a survey found so far, in one file that is replaced as a whole after every unit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_infer.files import write_whole
from edge_infer.lab.survey.errors import DamagedSurveyError

STATE_FILE = "survey.json"
FORMAT = "edge-infer survey"
FORMAT_VERSION = 1


@dataclass
class SurveyState:
    """What was asked for and what was found, by step and unit."""

    board: str
    """Name of the profile that it began from."""
    simulated: bool
    date: str
    """Day on which it was begun, YYYY-MM-DD."""
    identity: dict[str, Any] = field(default_factory=dict)
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By step and unit."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Steps that could not be done, and why."""
    failed: dict[str, dict[str, str]] = field(default_factory=dict)
    """By step and unit: what went wrong."""

    def done(self, step: str, unit: str) -> bool:
        """Return whether a unit was measured, or cannot be."""
        return unit in self.found.get(step, {}) or unit in self.failed.get(step, {})

    def units(self, step: str) -> Mapping[str, Any]:
        """Return what a step found, by unit."""
        return self.found.get(step, {})

    def save(self, folder: Path) -> None:
        """Write the file; a reader never sees half of it. Raises OSError."""
        document = {"format": FORMAT, "format_version": FORMAT_VERSION, **vars(self)}
        write_whole(folder / STATE_FILE, json.dumps(document, indent=1) + "\n")


def read_state(folder: Path) -> SurveyState:
    """Return the state in a folder.

    Raises:
        DamagedSurveyError: the file is none, or of another version.
        OSError: it cannot be read.
    """
    path = folder / STATE_FILE
    try:
        document = dict(json.loads(path.read_bytes()))
        kind, version = document.pop("format", None), document.pop("format_version", None)
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedSurveyError(f"{path} is damaged: {error}; begin anew elsewhere") from None
    if kind != FORMAT or version != FORMAT_VERSION:
        raise DamagedSurveyError(
            f"{path} is no survey of format version {FORMAT_VERSION}: it says {kind!r} {version!r}"
        )
    try:
        state = SurveyState(**document)
    except TypeError as error:
        raise DamagedSurveyError(f"{path} is damaged: {error}; begin anew elsewhere") from None
    _check(state, path)
    return state


def _check(state: SurveyState, path: Path) -> None:
    """Refuse fields of another kind, and steps and units that are no objects."""
    wanted = SurveyState("", False, "")
    for name, value in vars(wanted).items():
        if type(getattr(state, name)) is not type(value):
            raise DamagedSurveyError(f"{path} is damaged: {name} is {getattr(state, name)!r}")
    for step, units in (*state.found.items(), *state.failed.items()):
        if not isinstance(units, dict):
            raise DamagedSurveyError(f"{path} is damaged: {step} holds {units!r}")
    for step, units in state.found.items():
        if not all(isinstance(found, dict) for found in units.values()):
            raise DamagedSurveyError(f"{path} is damaged: a unit of {step} is no object")
