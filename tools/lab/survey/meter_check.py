"""Step: the meter against a known resistor, which draws U^2/R beside the idle board.

The difference with and without it has no offset in it, and tells the gain.
"""

from edge_infer.lab.survey.errors import SurveyError
from edge_infer.lab.survey.rig import Load, Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.visits import metered

UNIT = "load"
BLOCKS = 50
BUS_ERROR = 0.01
"""INA219 datasheet SBOS448G, 7.5: of the bus voltage, over temperature. A resistor's power goes by
its square, and so counts twice."""
LEAST_RISE = 0.1
"""Of what was expected: below it no resistor was connected."""


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    meter, load = rig.meter, rig.load
    assert meter is not None and load is not None  # see _lacks
    rig.set_khz(rig.clocks_khz[0])
    meter.start()
    before = metered(rig, None, "", BLOCKS)
    _connect(rig, load)
    loaded = metered(rig, None, "", BLOCKS)
    _connect(rig, None)
    after = metered(rig, None, "", BLOCKS)
    meter.stop()
    seen_uw = loaded.power_uw - (before.power_uw + after.power_uw) / 2
    expected_uw = load.drawn_uw(loaded.bus_mv)
    if seen_uw < LEAST_RISE * expected_uw:
        raise SurveyError(
            f"the power rose by {seen_uw / 1e6:.3f} W with {load.text}, not by "
            f"{expected_uw / 1e6:.3f} W: connect it behind the shunt, on the board's side"
        )
    return {
        "load": load.text,
        "bound": load.tolerance + (2 * BUS_ERROR if load.ohm else 0.0),
        "seen_uw": seen_uw,
        "expected_uw": expected_uw,
        "spread_uw": 2 * max(before.spread_uw, loaded.spread_uw, after.spread_uw)
        + abs(before.power_uw - after.power_uw) / 2,
        "bus_mv": loaded.bus_mv,
    }


def _connect(rig: Rig, load: Load | None) -> None:
    if rig.runner.attach(load):
        return
    what = "take the known load away" if load is None else (
        f"connect the known load of {load.text} between 5 V and ground behind the shunt, on the "
        f"board's side (it takes {load.drawn_uw(5000) / 1e6:.1f} W: a resistor gets hot)"
    )  # fmt: skip
    if not rig.ask(f"{what}, then press Enter"):
        raise SurveyError("the known load was refused: leave --load out, or --resume with it")


def _lacks(rig: Rig, state: SurveyState) -> str:
    if rig.meter is None:
        return rig.no_meter
    if rig.load is None:
        return (
            "no known load: the meter's gain is not checked, its own bounds "
            f"({rig.meter.gain_uncertainty_ppm / 1e4:.2f} %) are taken; --load 10ohm checks it"
        )
    return ""


METER_CHECK = Step(
    name="meter",
    title="the meter against a known load",
    units=lambda rig, state: (UNIT,),
    run=_run,
    seconds=lambda rig, unit: 5,
    lacks=_lacks,
    changes="has a known resistor connected by you",
)
