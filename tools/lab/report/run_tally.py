"""What a run comes to, counted row by row."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from edge_infer.lab.report.distribution import Distribution
from edge_infer.lab.report.kept_frames import KeptFrames, doubt, wrongness
from edge_infer.lab.report.run_row import RunRow
from edge_infer.lab.report.thinned import Thinned

MARKS = 320
"""Marks of inferences that a page has at least, where so many ran."""
MOST_PAIRS = 50_000
"""Pairs of true label and answer that are told apart: more than a thousand classes confuse."""


_SAMPLES = " samples["
_MOST_BUNDLES = 4


class InferenceSpan(NamedTuple):
    """Neighbouring inferences, of which a page shows the whole."""

    begin_ns: int
    end_ns: int
    busy_ns: int
    gross_nj: int | None
    """None unless known of all of them."""
    exits: tuple[tuple[int, int], ...]
    """Exit and inferences that left there."""
    missed: int

    def and_next(self, later: "InferenceSpan") -> "InferenceSpan":
        """Return both as one."""
        both = Counter(dict(self.exits))
        both.update(dict(later.exits))
        known = self.gross_nj is not None and later.gross_nj is not None
        return InferenceSpan(
            self.begin_ns,
            max(self.end_ns, later.end_ns),
            self.busy_ns + later.busy_ns,
            (self.gross_nj or 0) + (later.gross_nj or 0) if known else None,
            tuple(sorted(both.items())),
            self.missed + later.missed,
        )


@dataclass
class ExitTally:
    """The inferences that left at one exit, or all of them."""

    count: int = 0
    labelled: int = 0
    right: int = 0
    latency_ns: Distribution = field(default_factory=Distribution)
    net_nj: Distribution = field(default_factory=Distribution)
    gross_nj: int = 0

    def add(self, row: RunRow) -> None:
        """Count one row."""
        self.count += 1
        if row.true_label is not None:
            self.labelled += 1
            self.right += row.answer == row.true_label
        if row.arrival_ns is not None:
            self.latency_ns.add(row.end_ns - row.arrival_ns)
        if row.net_nj is not None:
            self.net_nj.add(row.net_nj)
            self.gross_nj += row.gross_nj or 0

    @property
    def accuracy(self) -> float | None:
        """Share of the labelled inferences that were right; None without labels."""
        return self.right / self.labelled if self.labelled else None


@dataclass
class CriterionTally:
    """The inferences that left at one exit at one pruning ratio: thresholds are chosen for it."""

    count: int = 0
    least: float | None = None
    """That was held against the threshold."""

    def add(self, row: RunRow) -> None:
        """Count one row."""
        self.count += 1
        if row.criterion is not None and (self.least is None or row.criterion < self.least):
            self.least = row.criterion


@dataclass
class RunTally:
    """Counts a run; memory is bounded, whatever its length."""

    all: ExitTally = field(default_factory=ExitTally)
    exits: dict[int, ExitTally] = field(default_factory=dict)
    criteria: dict[tuple[str, int], CriterionTally] = field(default_factory=dict)
    """By pruning ratio and exit."""
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    """True label and answer."""
    pairs_left_out: int = 0
    answers: set[str] = field(default_factory=set)
    clock_ns: Counter[tuple[int, ...]] = field(default_factory=Counter)
    """Time of answering by the clocks, in kHz, that an inference ran at: one, or several."""
    origins: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    """Of the confidence."""
    ratios: Counter[str] = field(default_factory=Counter)
    switches: int = 0
    missed: int = 0
    smoothed: int = 0
    """Answers of several frames together, where the net said another."""
    without_energy: int = 0
    """Of those that were not gated."""
    samples_of: set[str] = field(default_factory=set)
    """Bundles whose samples frames are called after."""
    begin_ns: int = 0
    end_ns: int = 0
    marks: Thinned[InferenceSpan] = field(
        default_factory=lambda: Thinned(MARKS, InferenceSpan.and_next)
    )
    wrong: KeptFrames = field(default_factory=lambda: KeptFrames(wrongness))
    doubtful: KeptFrames = field(default_factory=lambda: KeptFrames(doubt))

    def add(self, row: RunRow) -> None:
        """Count one row."""
        if not self.all.count:
            self.begin_ns = row.start_ns
        self.end_ns = max(self.end_ns, row.end_ns)
        self.all.add(row)
        if row.left_at not in self.exits:
            self.exits[row.left_at] = ExitTally()
        self.exits[row.left_at].add(row)
        if not row.gated:
            self._add_criterion(row)
        self._add_answer(row)
        self._add_costs(row)
        self.wrong.add(row)
        self.doubtful.add(row)

    def _add_criterion(self, row: RunRow) -> None:
        if (row.ratio, row.exit) not in self.criteria:
            self.criteria[row.ratio, row.exit] = CriterionTally()
        self.criteria[row.ratio, row.exit].add(row)
        self.ratios[row.ratio] += 1

    def _add_answer(self, row: RunRow) -> None:
        self.smoothed += row.smoothed
        bundle, sampled, _ = row.name.partition(_SAMPLES)
        if sampled and len(self.samples_of) < _MOST_BUNDLES:
            self.samples_of.add(bundle)
        if row.answer is not None and len(self.answers) < MOST_PAIRS:
            self.answers.add(row.answer)
        if row.confidence_kind is not None:
            self.kinds[row.confidence_kind] += 1
        if row.true_label is None or row.answer is None:
            return
        pair = row.true_label, row.answer
        if pair in self.pairs or len(self.pairs) < MOST_PAIRS:
            self.pairs[pair] += 1
        else:
            self.pairs_left_out += 1

    def _add_costs(self, row: RunRow) -> None:
        busy_ns = row.end_ns - row.start_ns
        self.clock_ns[tuple(sorted(set(row.clocks_khz)))] += busy_ns
        self.switches += row.switches
        self.missed += row.missed
        if row.origin is None or row.net_nj is None:
            self.without_energy += not row.gated
        else:
            self.origins[row.origin] += 1
        exits = ((row.left_at, 1),)
        self.marks.add(
            InferenceSpan(row.start_ns, row.end_ns, busy_ns, row.gross_nj, exits, int(row.missed))
        )

    @property
    def labels(self) -> set[str]:
        """Words that were answered, or were true."""
        return self.answers | {true for true, _ in self.pairs}

    @property
    def origin(self) -> str:
        """Where the energies are from, in a word; "none" without any."""
        return next(iter(self.origins)) if len(self.origins) == 1 else _several(self.origins)


def _several(origins: Counter[str]) -> str:
    return "mixed" if origins else "none"
