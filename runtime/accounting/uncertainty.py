"""How far off a metered energy may be: standard errors in quadrature (GUM, JCGM 100:2008)."""

import math

from edge_infer.boards.power import PowerMeter

CONFIDENCE_FACTOR = 1.96
"""Standard errors in a half width: 95 % for a normal error."""
BOUND = math.sqrt(1 / 3)
"""Standard error of what is only known to lie within a bound (GUM, 4.3.7)."""
FAR = 4.0
"""Standard deviations from which on a sample's error is no noise."""
LEAST_UNSEEN = 0.25
"""Share of a sample's noise that counts in any case: a meter has noise of its own."""
MEDIAN_TO_DEVIATION = 1.4826
"""Standard deviation of normal errors by the median of their size."""


def half_width_nj(error_nj: float) -> int:
    """Return the half width of the interval that holds an energy with about 95 % confidence."""
    return math.ceil(CONFIDENCE_FACTOR * error_nj)


def step_variance(step_uw: float, noise_uw: float, seen: float) -> float:
    """Return the variance of the mean between two neighbouring samples, in uW^2.

    Half the square of their difference is the variance of one about a slowly moving mean (von
    Neumann's successive difference), without a drift being taken for noise. What exceeds the noise
    is an edge: the straight line puts it in their middle, and it may have been anywhere between.
    Of the noise, what a sample saw of its time is no error (Cochran's finite population).

    Args:
        step_uw: difference of the samples, less what is known of it.
        noise_uw: standard deviation of a sample.
        seen: share of the time that conversions fill.
    """
    noise = min(abs(step_uw), FAR * noise_uw)
    unseen = max(1 - seen, LEAST_UNSEEN)
    return noise**2 / 2 * unseen + (step_uw**2 - noise**2) / 12


class MeterBounds:
    """What a meter itself may be off by, beside the error of a mean power.

    Args:
        meter: states the bounds that its calibration leaves.
    """

    def __init__(self, meter: PowerMeter) -> None:
        self._meter = meter

    def gross_error_nj(self, gross_nj: float, wall_ns: float, mean_uw: float) -> float:
        """Return the standard error of a gross energy.

        Args:
            gross_nj: the energy.
            wall_ns: the time that it is of.
            mean_uw: standard error of the mean power by its sampling.
        """
        steady_uw = math.hypot(self._meter.offset_uncertainty_uw, self._meter.resolution_uw)
        return self._error_nj(gross_nj, wall_ns, math.hypot(steady_uw * BOUND, mean_uw))

    def net_error_nj(self, net_nj: float, wall_ns: float, mean_uw: float) -> float:
        """Return the same of a net energy.

        The meter read the idle reference too, so its offset cancels, and its gain scales the net.
        `mean_uw` has the reference's own error in it.
        """
        steady_uw = math.sqrt(2) * self._meter.resolution_uw
        return self._error_nj(net_nj, wall_ns, math.hypot(steady_uw * BOUND, mean_uw))

    def _error_nj(self, nj: float, wall_ns: float, error_uw: float) -> float:
        gain = self._meter.gain_uncertainty_ppm / 1e6 * BOUND
        return math.hypot(gain * nj, error_uw * wall_ns / 1e6)
