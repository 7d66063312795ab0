"""What a run came to: accuracy, exits, latency, deadlines, energy, clocks.

Kept as sums and `Percentiles`, so that a run of any length costs the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_infer.boards.cost_table import CostTable
from edge_infer.runtime.accounting.account import EnergyTotals
from edge_infer.runtime.frame_reader import LoopCounts
from edge_infer.runtime.percentiles import Percentiles
from edge_infer.runtime.records import InferenceRecord
from edge_infer.runtime.run_watch import RunWatch
from edge_infer.runtime.stage_costs import row_name


@dataclass(slots=True)
class ExitTotals:
    """The inferences that left at one exit."""

    count: int = 0
    labelled: int = 0
    correct: int = 0
    net_nj: int = 0
    gross_nj: int = 0
    busy_ns: int = 0


@dataclass
class RunSummary:
    """Collects records; `add` is a sink's `write`."""

    exit_names: Sequence[str]
    overhead_table: CostTable | None = None
    """A simulated board's own table: its virtual time holds no measured overhead."""
    overhead_known: bool = True
    """False for a simulated board at the end of a line: neither measured nor modelled here."""
    watch: RunWatch | None = None
    """Looks at every record too: says whether inputs are like the calibration's, and labels fit."""
    exits: list[ExitTotals] = field(init=False)
    ratios: dict[str, int] = field(default_factory=dict)
    """Inferences by pruning ratio."""
    gated: ExitTotals = field(default_factory=ExitTotals)
    """Answers without the net; in no exit."""
    smoothed: int = 0
    """Answers that smoothing changed."""
    switches: int = 0
    misses: int = 0
    uncertainty_nj: int = 0
    latency_ns: Percentiles = field(default_factory=Percentiles)
    """Arrival to answer of every inference: the wait for its turn and its busy time. Reading and
    decoding are in neither."""
    latency_total_ns: int = 0
    overhead_ns: Percentiles = field(default_factory=Percentiles)
    """Time of every inference that was not spent in the interpreters."""
    _row_overhead_ns: dict[Any, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.exits = [ExitTotals() for _ in self.exit_names]

    def add(self, record: InferenceRecord) -> None:
        """Count one record whose energy is known."""
        left = self.gated if record.gated else self.exits[record.exit]
        left.count += 1
        left.busy_ns += record.end_ns - record.start_ns
        if self.watch is not None and not record.gated:
            self.watch.add(record)
        if record.label is not None:
            left.labelled += 1
            left.correct += record.answer == record.label
        if record.energy is not None:
            left.net_nj += record.energy.net_nj
            left.gross_nj += record.energy.gross_nj
        self.smoothed += record.net_answer is not None
        if not record.gated:
            self.ratios[record.ratio] = self.ratios.get(record.ratio, 0) + 1
        self.switches += record.switches
        self.misses += record.missed
        latency_ns = record.end_ns - record.arrival_ns
        self.latency_ns.add(latency_ns)
        self.latency_total_ns += latency_ns
        if self.overhead_known and not record.gated:
            self.overhead_ns.add(self._overhead_of(record))

    def _overhead_of(self, record: InferenceRecord) -> int:
        if self.overhead_table is None:
            return record.busy_ns - record.invoke_ns
        key = record.ratio, record.points
        known = self._row_overhead_ns.get(key)
        if known is None:
            known = sum(
                self.overhead_table.row(
                    row_name(self.exit_names[stage], record.ratio), point
                ).overhead_ns
                for stage, point in enumerate(record.points)
            )
            self._row_overhead_ns[key] = known
        return known

    @property
    def inferences(self) -> int:
        """Frames answered."""
        return self.latency_ns.count

    @property
    def accuracy(self) -> float | None:
        """Share of labelled frames answered right, or None without labels."""
        every = [*self.exits, self.gated]
        labelled = sum(left.labelled for left in every)
        return sum(left.correct for left in every) / labelled if labelled else None


@dataclass(frozen=True)
class RunIdentity:
    """What was run, where and how."""

    bundle: str
    bundle_version: str
    board: str
    simulated: bool
    backend: Mapping[str, str]
    policy: str
    model_notes: Sequence[str] = ()
    """What a reader must know of the board model; empty on a real board."""
    synthetic: bool = False
    """The board model rests on figures that nobody published."""


def run_document(
    identity: RunIdentity,
    summary: RunSummary,
    energy: EnergyTotals | None,
    residency_ns: Mapping[int, int],
    counts: LoopCounts,
    deadline_ns: int | None,
    skipped: Sequence[str],
    interrupted: bool,
) -> dict[str, Any]:
    """Return the run as the document of `edge-infer run --json` (schema run.schema.json)."""
    return {
        "bundle": {"name": identity.bundle, "version": identity.bundle_version},
        "board": identity.board,
        "simulated": identity.simulated,
        "synthetic": identity.synthetic,
        "model_notes": list(identity.model_notes),
        "backend": dict(identity.backend),
        "policy": identity.policy,
        "inferences": summary.inferences,
        "accuracy": summary.accuracy,
        "exits": {
            name: left.count for name, left in zip(summary.exit_names, summary.exits, strict=True)
        },
        "per_exit": _per_exit(summary, energy),
        "latency_us": {
            "mean": _mean_us(summary.latency_total_ns, summary.inferences),
            **_percentiles_us(summary.latency_ns, (50, 95, 99)),
            "max": _us(summary.latency_ns.greatest),
        },
        "decoding_us": None if identity.simulated else _mean_us(counts.reading_ns, counts.arrived),
        "deadline": {
            "us": None if deadline_ns is None else deadline_ns / 1000,
            "misses": summary.misses,
            "dropped": counts.dropped,
        },
        "energy": _energy(energy, summary.inferences),
        "frequency_residency": _shares(residency_ns),
        "ratios": dict(sorted(summary.ratios.items(), reverse=True)),
        "switches": summary.switches,
        "overhead_us": _percentiles_us(summary.overhead_ns, (50, 95)),
        "passes": counts.passes,
        "skipped": list(skipped),
        "interrupted": interrupted,
        "input_shift": None if summary.watch is None else summary.watch.shift_document(),
    }


def _per_exit(
    summary: RunSummary, totals: EnergyTotals | None
) -> dict[str, dict[str, float | None]]:
    document: dict[str, dict[str, float | None]] = {}
    widths_nj = totals.exit_uncertainty_nj if totals else {}
    for index, (name, left) in enumerate(zip(summary.exit_names, summary.exits, strict=True)):
        count, width_nj = left.count, widths_nj.get(index)
        energy = totals is not None and count
        document[name] = {
            "accuracy": left.correct / left.labelled if left.labelled else None,
            "mean_busy_us": left.busy_ns / count / 1000 if count else None,
            "mean_net_uj": left.net_nj / count / 1000 if energy else None,
            "net_uncertainty_uj": None if width_nj is None else width_nj / 1000,
            "mean_gross_uj": left.gross_nj / count / 1000 if energy else None,
        }
    return document


def _percentiles_us(values: Percentiles, ranks: Sequence[int]) -> dict[str, float | None]:
    return {f"p{rank}": _us(ns) for rank, ns in zip(ranks, values.at(ranks), strict=True)}


def _mean_us(total_ns: int, count: int) -> float | None:
    return total_ns / count / 1000 if count else None


def _us(ns: float | None) -> float | None:
    return None if ns is None else ns / 1000


def _shares(residency_ns: Mapping[int, int]) -> dict[str, float]:
    total = sum(residency_ns.values())
    return {str(khz): ns / total for khz, ns in sorted(residency_ns.items()) if total and ns}


def _energy(energy: EnergyTotals | None, inferences: int) -> dict[str, Any] | None:
    if energy is None:
        return None

    def each(nj: int | None) -> float | None:
        return nj / inferences / 1000 if nj is not None and inferences else None

    return {
        "origin": energy.origin,
        "net_uj_per_inference": each(energy.net_nj),
        "net_uncertainty_uj": each(energy.net_uncertainty_nj),
        "gross_uj_per_inference": each(energy.gross_nj),
        "gross_uncertainty_uj": each(energy.gross_uncertainty_nj),
        "net_uj": energy.net_nj / 1000,
        "gross_uj": energy.gross_nj / 1000,
        "wall_us": energy.wall_ns / 1000,
        "idle_reference_mw": energy.idle_reference.power_uw / 1000,
        "apportioned_share": energy.apportioned_share,
        "samples": energy.samples,
        "lost_samples": energy.lost,
        "saturated_samples": energy.saturated,
        "sampler_busy_us": energy.sampler_busy_ns / 1000,
    }
