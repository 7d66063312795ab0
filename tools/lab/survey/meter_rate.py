"""Step: how many samples a second the meter really reaches at each of its resolutions."""

from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState

ADC_BITS = (12, 11, 10, 9)
LENGTH_NS = 500_000_000


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    meter = rig.runner.meter_at(int(unit))
    assert meter is not None  # see _units
    meter.start()
    begin_ns = rig.now_ns()
    rig.wait_ns(LENGTH_NS)
    samples = meter.drain(rig.now_ns())
    passed_ns, counts = rig.now_ns() - begin_ns, meter.statistics()
    meter.stop()
    return {
        "samples_per_s": len(samples) * 1e9 / passed_ns,
        "lost": counts.lost,
        "retries": counts.retries,
        "bus_busy_share": counts.busy_ns / passed_ns,
    }


def _lacks(rig: Rig, state: SurveyState) -> str:
    if rig.meter is None:
        return rig.no_meter
    if rig.runner.meter_at(ADC_BITS[0]) is None:
        return "this meter has no choice of resolution: an INA219 has"
    return ""


METER_RATE = Step(
    name="meter-rate",
    title="rates that reads of the meter reach",
    units=lambda rig, state: [str(bits) for bits in ADC_BITS],
    run=_run,
    seconds=lambda rig, unit: 0.6,
    lacks=_lacks,
)
