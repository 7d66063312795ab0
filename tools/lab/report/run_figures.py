"""The figures of a run, each once: for the summary, for two runs side by side, for --json."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from edge_infer.lab.report.figures import (
    ABSENT,
    count_figure,
    energy_figure,
    power_figure,
    share_figure,
    time_figure,
)
from edge_infer.lab.report.reported_run import ReportedRun

RANKS = (50, 95, 99)


class RunFigure(NamedTuple):
    """One figure."""

    key: str
    """In the JSON document; with its unit."""
    name: str
    value: float | None
    scale: float
    """What the value is divided by for the document."""
    text: Callable[[float], str]
    is_share: bool = False

    @property
    def shown(self) -> str:
        """The value for a person."""
        return ABSENT if self.value is None else self.text(self.value)

    def change_to(self, other: "RunFigure") -> str:
        """Return how far another run's figure is off this one's."""
        if self.value is None or other.value is None:
            return ABSENT
        if self.is_share and self.value != other.value:
            return f"{100 * (other.value - self.value):+.2f} points"
        if other.value == self.value:
            return "same"
        if self.value <= 0:
            return ABSENT
        return f"{100 * (other.value / self.value - 1):+.1f} %".replace("-0.0", "+0.0")


def run_figures(run: ReportedRun) -> list[RunFigure]:
    """Return the figures of a run; always the same ones, in the same order."""
    tally = run.tally
    return [
        RunFigure("inferences", "inferences", tally.all.count, 1, _count),
        RunFigure("accuracy", "accuracy", tally.all.accuracy, 1, _share, True),
        *_latencies(run),
        RunFigure("missed", "deadlines missed", tally.missed, 1, _count),
        *_energies(run),
        RunFigure("switches", "clock switches", tally.switches, 1, _count),
        RunFigure("duration_us", "time", tally.end_ns - tally.begin_ns, 1e3, time_figure),
    ]


def _latencies(run: ReportedRun) -> Iterator[RunFigure]:
    spread = run.tally.all.latency_ns
    yield RunFigure("latency_mean_us", "latency, mean", spread.mean, 1e3, time_figure)
    values: list[float | None] = [*spread.at(RANKS)] or [None] * len(RANKS)
    for rank, value in zip(RANKS, values, strict=True):
        yield RunFigure(f"latency_p{rank}_us", f"latency, p{rank}", value, 1e3, time_figure)
    yield RunFigure("latency_max_us", "latency, greatest", spread.greatest, 1e3, time_figure)


def _energies(run: ReportedRun) -> Iterator[RunFigure]:
    whole, known = run.tally.all, run.tally.all.net_nj.count
    gross = whole.gross_nj / known if known else None
    yield RunFigure("net_mean_uj", "net energy of answering", whole.net_nj.mean, 1e3, energy_figure)
    yield RunFigure("gross_mean_uj", "gross energy of answering", gross, 1e3, energy_figure)
    power = run.power.mean_uw if run.power else None
    yield RunFigure("power_mean_mw", "power of the board, mean", power, 1e3, power_figure)


def run_document(run: ReportedRun) -> dict[str, object]:
    """Return a run as `runs` of `report --json` has it."""
    figures = {
        figure.key: None if figure.value is None else _scaled(figure.value, figure.scale)
        for figure in run_figures(run)
    }
    bundle = run.bundle.manifest if run.bundle else None
    return {
        "log": run.name,
        "bundle": None if bundle is None else {"name": bundle.name, "version": bundle.version},
        "figures": figures,
        "exits": {run.exit_name(at): exit_.count for at, exit_ in sorted(run.tally.exits.items())},
        "energy_origin": run.tally.origin,
        "power": None if run.power is None else _power_document(run),
        "frames_shown": len(run.pictures.of),
        "input": {"left_out": list(run.notes), "frames": run.pictures.missing},
    }


def _scaled(value: float, scale: float) -> float:
    return value if scale == 1 else value / scale


def _power_document(run: ReportedRun) -> dict[str, object]:
    assert run.power is not None
    power = run.power
    return {
        "log": power.name,
        "origin": power.origin,
        "samples": power.samples,
        "lost": power.lost,
        "unusable": power.unusable,
        "throttled": power.throttled,
    }


def _count(value: float) -> str:
    return count_figure(int(value))


def _share(value: float) -> str:
    return share_figure(value, 2)
