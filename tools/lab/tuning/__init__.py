"""Choosing exit thresholds on a calibration set, for the least energy and with a promise.

outcomes = ExitOutcomes.of_scores(scores, labels, "score-margin", scales)
split = split_calibration(outcomes, exit_energy_nj, np.random.default_rng(0))
choice = choose_thresholds(split, exit_energy_nj, LossBound(loss=0.01, confidence=0.95))
"""

from edge_infer.lab.tuning.exit_outcomes import ExitOutcomes, Thresholds
from edge_infer.lab.tuning.loss_test import LossTest, samples_needed
from edge_infer.lab.tuning.threshold_choice import (
    CalibrationSplit,
    LossBound,
    ThresholdChoice,
    TooFewSamplesError,
    choose_thresholds,
    split_calibration,
)

__all__ = [
    "ExitOutcomes",
    "Thresholds",
    "split_calibration",
    "CalibrationSplit",
    "choose_thresholds",
    "ThresholdChoice",
    "LossBound",
    "TooFewSamplesError",
    "LossTest",
    "samples_needed",
]
