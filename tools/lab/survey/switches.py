"""Step: time and energy of a change of clock, over many of them to and fro."""

from edge_infer.lab.survey.clocks import usable_clocks
from edge_infer.lab.survey.rig import Rig
from edge_infer.lab.survey.step import Found, Step
from edge_infer.lab.survey.survey_state import SurveyState
from edge_infer.lab.survey.visits import cool, metered

CHANGES = 200


def _units(rig: Rig, state: SurveyState) -> list[str]:
    """Return pairs: the ends, and two that lie beside each other."""
    clocks = usable_clocks(rig, state)
    middle = len(clocks) // 2
    pairs = [(clocks[0], clocks[-1]), (clocks[middle - 1], clocks[middle])]
    return list(dict.fromkeys(f"{low} to {high}" for low, high in pairs))


def _run(rig: Rig, state: SurveyState, unit: str) -> Found:
    low, high = (int(word) for word in unit.split(" to "))
    clock, now_ns = rig.board.clock, rig.board.timebase.now_ns
    cool(rig)
    clock.set_khz(low)

    def there_and_back() -> None:
        clock.set_khz(high)
        clock.set_khz(low)

    times = []
    for _ in range(CHANGES):
        before_ns = now_ns()
        there_and_back()
        times.append((now_ns() - before_ns) / 2)
    found: Found = {"times_ns": [round(time_ns) for time_ns in times], "power_uw": None}
    if rig.meter is not None:
        rig.meter.start()
        found |= {"power_uw": metered(rig, there_and_back, f"{unit} changes").power_uw}
        found |= {"idle_uw": metered(rig, None, "").power_uw}
        rig.meter.stop()
    return found


def _lacks(rig: Rig, state: SurveyState) -> str:
    if len(rig.clocks_khz) < 2:
        return rig.no_clock or "the clock cannot be chosen here"
    return "" if len(usable_clocks(rig, state)) > 1 else "only one clock runs as asked"


SWITCHES = Step(
    name="switches",
    title="time and energy of a change of clock",
    units=_units,
    run=_run,
    seconds=lambda rig, unit: 1.5,
    lacks=_lacks,
    changes="sets the processor's clock",
)
