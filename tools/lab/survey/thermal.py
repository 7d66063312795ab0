"""Step: ten minutes of all cores: temperature, caps, power and speed as it gets warm."""

from statistics import median

from edge_infer.lab.survey.clocks import usable_clocks
from edge_infer.lab.survey.operator_models import burn_model
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.visits import cool

UNIT = "ten minutes"
LENGTH_NS, EVERY_NS, LOOK_NS = 600_000_000_000, 10_000_000_000, 1_000_000_000
TIMED = 9
METERED_NS = 200_000_000


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    cool(rig)
    khz = usable_clocks(rig, state)[-1]
    rig.set_khz(khz)
    begin_ns, rows, ended = rig.now_ns(), [], "ten minutes"
    while rig.now_ns() - begin_ns < LENGTH_NS:
        rows.append(_row(rig, begin_ns))
        if _too_hot(rig):
            ended = f"the limit of {rig.stop_at_millicelsius / 1000:g} degC"
            break
        _burn(rig, rig.now_ns() + EVERY_NS)
    return {"khz": khz, "ended_by": ended, "rows": rows}


def _burn(rig: Rig, until_ns: int) -> None:
    while rig.now_ns() < until_ns and not _too_hot(rig):
        rig.runner.burn(min(until_ns, rig.now_ns() + LOOK_NS))


def _row(rig: Rig, begin_ns: int) -> Found:
    """Return the state of the board under load: speed by one model, power over a moment."""
    invoke, now_ns = rig.runner.invoke(burn_model(), rig.cores), rig.now_ns
    times = []
    for _ in range(TIMED):
        before_ns = now_ns()
        invoke()
        times.append(now_ns() - before_ns)
    power_uw, thermometer = _power_uw(rig), rig.board.thermometer
    return {
        "after_s": round((now_ns() - begin_ns) / 1e9, 1),
        "millicelsius": thermometer.millicelsius(),
        "flags": thermometer.flags(),
        "throttled": thermometer.throttled(),
        "kernel_khz": rig.board.clock.current_khz(),
        "time_ns": median(times),
        "power_uw": power_uw,
    }


def _power_uw(rig: Rig) -> float | None:
    meter = rig.meter
    if meter is None:
        return None
    meter.start()
    rig.runner.burn(rig.now_ns() + METERED_NS)
    samples = meter.drain(rig.now_ns())
    rig.raw.samples(meter, samples)
    meter.stop()
    return median(sample.power_uw for sample in samples) if samples else None


def _too_hot(rig: Rig) -> bool:
    return (rig.board.thermometer.millicelsius() or 0) >= rig.stop_at_millicelsius


THERMAL = Step(
    name="thermal",
    title="ten minutes of all cores: caps, throttling, drift of power",
    units=lambda rig, state: (UNIT,),
    run=_run,
    seconds=lambda rig, unit: 615,
    changes="keeps all cores busy for ten minutes at the top clock",
)
