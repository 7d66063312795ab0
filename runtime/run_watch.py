"""What a run's answers say of its inputs: like the calibration's or not, at chance or not."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from edge_infer.models_tflite.manifest import Calibration, Manifest
from edge_infer.runtime.frame_reader import LoopCounts
from edge_infer.runtime.input_shift import InputShift
from edge_infer.runtime.label_check import (
    Confusion,
    ExpectedAccuracy,
    LabelVerdict,
    expected_accuracy,
)
from edge_infer.runtime.records import InferenceRecord

_MOST_KEPT = 20_000


class RunWatch:
    """Looks at every record of frames that did not come before.

    Args:
        manifest: of the bundle that runs.
        counts: of the loop: says where a source begins again. A repeated frame tells nothing new.
        in_order: frames come as they happen. Else they are those of a file or folder, which may be
            sorted by class: the first pass is shuffled before it is tested.
        exits_as_calibrated: False where a governor may leave earlier than the thresholds say: exits
            and margins tell of the governor then, and are not tested.
    """

    def __init__(
        self,
        manifest: Manifest,
        counts: LoopCounts | None = None,
        *,
        in_order: bool = True,
        exits_as_calibrated: bool = True,
    ) -> None:
        self._manifest = manifest
        self._counts = counts or LoopCounts()
        self._calibrations: Mapping[str, Calibration] = manifest.calibration or {}
        self._exits_as_calibrated = exits_as_calibrated
        self._shift = InputShift(self._calibrations if exits_as_calibrated else {})
        self.confusion = Confusion(manifest.labels)
        self._left: Counter[tuple[str, int]] = Counter()
        """Frames by ratio and exit, of those looked at."""
        self._kept: list[tuple[str, int, float]] | None = None if in_order else []
        """Outcomes to be tested in another order: a random sample of at most `_MOST_KEPT`."""
        self._random = random.Random(0)

    def add(self, record: InferenceRecord) -> None:
        """Look at one record."""
        distinct = self._counts.distinct
        if distinct is not None and record.number >= distinct:
            return
        self._left[record.ratio, record.exit] += 1
        if self._kept is None:
            self._shift.add(record.ratio, record.exit, record.confidence)
        else:
            self._keep((record.ratio, record.exit, record.confidence), self._kept)
        if record.label is not None:
            said = record.answer if record.net_answer is None else record.net_answer
            self.confusion.add(record.label, said)

    @property
    def shift(self) -> InputShift:
        """What the test has come to."""
        if self._kept:
            self._random.shuffle(self._kept)
            for outcome in self._kept:
                self._shift.add(*outcome)
            self._kept.clear()
        return self._shift

    def labels(self) -> LabelVerdict:
        """Return what answers and labels say of each other.

        What is stated was measured where thresholds alone let frames go.
        """
        return self.confusion.verdict(self._expected() if self._exits_as_calibrated else None)

    def shift_document(self) -> dict[str, Any]:
        """Return what exits and margins say: `input_shift` of --json."""
        shift, here = self.shift, self._shares()
        return {
            "tested": shift.frames > 0,
            "frames": shift.frames,
            "shifted": shift.shifted,
            "at_frame": shift.at_frame,
            "evidence": shift.evidence,
            "error_probability": shift.error_probability,
            "shares": here,
            "calibration_shares": self._calibrated_shares() if here else None,
            "text": self.shift_text(),
        }

    def shift_text(self) -> str:
        """Return one line for people."""
        shift = self.shift
        if not shift.frames:
            if not self._exits_as_calibrated:
                return "inputs not compared with its inputs: this policy moves the exits"
            return "inputs not compared: the bundle carries no exits and margins of its own"
        if not shift.shifted:
            return f"inputs are like the calibration's, as far as {shift.frames} frames tell"
        here, there = self._shares(), self._calibrated_shares()
        shares = ", ".join(
            f"{name} {100 * here[name]:.1f} % ({100 * there[name]:.1f})" for name in here
        )
        return (
            f"inputs differ from the calibration's (sure after {shift.at_frame} frames; one run in "
            f"{1 / shift.error_probability:.0f} is called so wrongly): what the thresholds promise "
            f"may not hold; leave at {shares}"
        )

    def _keep(self, outcome: tuple[str, int, float], kept: list[tuple[str, int, float]]) -> None:
        """Keep an outcome, or, of many, as likely as each other (reservoir sampling)."""
        if len(kept) < _MOST_KEPT:
            kept.append(outcome)
            return
        place = self._random.randrange(self._left.total())
        if place < _MOST_KEPT:
            kept[place] = outcome

    def _shares(self) -> dict[str, float]:
        """Return the share of the frames that left at each exit, {} without any."""
        total = self._left.total()
        found = Counter[int]()
        for (_, exit_), count in self._left.items():
            found[exit_] += count
        names = [stage.name for stage in self._manifest.stages]
        return {name: found[at] / total for at, name in enumerate(names)} if total else {}

    def _calibrated_shares(self) -> dict[str, float]:
        """Return the same of calibration inputs, at the ratios that ran."""
        ran = Counter({r: n for r, n in self._ran().items() if r in self._calibrations})
        total = ran.total() or 1
        names = [stage.name for stage in self._manifest.stages]
        return {
            name: sum(n * self._calibrations[ratio].shares[at] for ratio, n in ran.items()) / total
            for at, name in enumerate(names)
        }

    def _ran(self) -> Counter[str]:
        """Return the frames of each ratio."""
        ran: Counter[str] = Counter()
        for (ratio, _), count in self._left.items():
            ran[ratio] += count
        return ran

    def _expected(self) -> ExpectedAccuracy | None:
        """Return the accuracy that is stated, of the ratios that ran, each by its frames."""
        ran = self._ran()
        known = {ratio: expected_accuracy(self._manifest, ratio) for ratio in ran}
        stated = {ratio: found for ratio, found in known.items() if found is not None}
        if not stated or len(stated) < len(known):
            return None
        share = sum(ran[ratio] * found.share for ratio, found in stated.items()) / ran.total()
        return ExpectedAccuracy(share, min(found.inputs for found in stated.values()))
