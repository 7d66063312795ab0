"""A survey of this computer for real, each visit cut short: what it can tell, and what not."""

from pathlib import Path

import pytest

from edge_infer.lab.survey import overhead, real_runner, thermal, visits
from edge_infer.lab.survey.figures import figures_of
from edge_infer.lab.survey.opening import open_rig
from edge_infer.lab.survey.outcomes import outcomes
from edge_infer.lab.survey.results import write_results
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.surveying import survey
from edge_infer.models_tflite.backend import open_backend


@pytest.mark.backend
def test_this_computer_tells_rates_and_overhead_and_that_it_has_no_meter_and_no_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visits, "TIMED_NS", 200_000)
    monkeypatch.setattr(visits, "LEAST_TIMED", 3)
    monkeypatch.setattr(real_runner, "ROUNDS", 3)
    monkeypatch.setattr(real_runner, "RUNS", 8)
    monkeypatch.setattr(thermal, "LENGTH_NS", 60_000_000)
    monkeypatch.setattr(thermal, "EVERY_NS", 20_000_000)
    state = SurveyState("host", False, "2026-11-29")
    with open_rig("host", None, open_backend()) as rig:
        survey(rig, state, None)
    figures = figures_of(state)
    told = {each.step: each for each in outcomes(state, figures)}
    passed = {name for name, each in told.items() if each.word == "passed"}
    assert {"identity", "rates", "memory", "overhead"} <= passed
    assert "no power meter" in told["idle"].text and "moves none" in told["clocks"].text
    assert told["thermal"].word in ("passed", "found")
    assert figures.rates is None or figures.rates.invoke_cycles.value >= 0
    if figures.clocks_khz:  # /proc/cpuinfo of some machines tells no clock
        assert figures.rates is not None and figures.overhead_cycles["runtime"].value >= 0
    results = write_results(state, tmp_path, {})
    assert results.profile.power is None and overhead.UNIT in state.units("overhead")
    assert "skipped" in results.text
