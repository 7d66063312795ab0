"""Writes what a survey gives back: the profile, cost tables, and the report as HTML and text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from edge_infer.boards.profile import BoardProfile, parse_profile
from edge_infer.files import write_whole
from edge_infer.lab.survey.bundle_costs import BUNDLE_COSTS
from edge_infer.lab.survey.figures import Figures, figures_of
from edge_infer.lab.survey.measured_profile import lacking, measured_profile
from edge_infer.lab.survey.profile_toml import profile_toml
from edge_infer.lab.survey.report_page import report_page, report_text
from edge_infer.lab.survey.survey_report import Section, sections
from edge_infer.lab.survey.survey_state import SurveyState

PROFILE, PAGE, TEXT, COSTS, RAW = "profile.toml", "report.html", "report.txt", "costs", "raw"


class Results(NamedTuple):
    """What was written, and what it says."""

    files: tuple[Path, ...]
    profile: BoardProfile
    lacks: tuple[str, ...]
    """What the profile lacks for a model of costs."""
    figures: Figures
    text: str


def write_results(state: SurveyState, folder: Path, base: Mapping[str, Any]) -> Results:
    """Write profile, cost tables and report of what was found so far. Raises OSError."""
    figures = figures_of(state)
    document = measured_profile(state, figures, base)
    lacks = lacking(document)
    toml = profile_toml(document, _comments(state, lacks))
    profile = parse_profile(toml, state.board)
    parts = _parts(state, figures, folder)
    title = f"Survey of {profile.title}"
    text = report_text(title, parts)
    files = {PROFILE: toml, PAGE: report_page(title, parts), TEXT: text}
    files |= {f"{COSTS}/{name}.json": str(unit["table"])
              for name, unit in state.units(BUNDLE_COSTS.name).items()}  # fmt: skip
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_whole(folder / name, content)
    return Results(tuple(folder / name for name in files), profile, tuple(lacks), figures, text)


def _parts(state: SurveyState, figures: Figures, folder: Path) -> list[Section]:
    raw = sorted((folder / RAW).glob("*")) if (folder / RAW).is_dir() else []
    return sections(state, figures, [f"{RAW}/{path.name}" for path in raw])


def _comments(state: SurveyState, lacks: list[str]) -> list[str]:
    what = "a simulated board" if state.simulated else "the board itself"
    lines = [f"Made by edge-infer boards survey on {state.date}, on {what}."]
    lines += ["basis: measured or simulated = found by this survey; others as their source says."]
    return lines + [f"Lacks {text}." for text in lacks]
