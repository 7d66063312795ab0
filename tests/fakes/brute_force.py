"""Every policy of one frame, by counting them: what planners are held against."""

from itertools import product

from edge_infer.runtime.planning.problem import PlanProblem


def outcomes(problem: PlanProblem, start: int, late_ns: int = 0) -> list[tuple[float, float]]:
    """Energy and miss probability of every policy of one frame: first, then by bin and stage.

    The clock `start` is in force, and the frame is taken up `late_ns` after its arrival.
    """
    bins = range(len(problem.distribution.exits))
    clocks = range(len(problem.clocks_khz))
    later = problem.stages - 1
    found = []
    for first in clocks:
        for plan in product(product(clocks, repeat=later), repeat=len(bins)):
            energy = miss = 0.0
            for exit_, bin_, probability in paths(problem):
                points = (first, *plan[bin_][:exit_])
                spent, time_ns, clock = 0.0, late_ns, start
                for stage, point in enumerate(points):
                    if point != clock:
                        spent += problem.switch_net_nj
                        time_ns += problem.switch_ns
                    spent += problem.net_nj[stage][point]
                    time_ns += problem.time_ns[stage][point]
                    clock = point
                energy += probability * spent
                miss += probability * (time_ns > problem.deadline_ns)
            found.append((energy, miss))
    return found


def paths(problem: PlanProblem) -> list[tuple[int, int, float]]:
    """Exit, bin and probability of every way a frame can go."""
    distribution = problem.distribution
    found = [(0, 0, distribution.leave[0])]
    for bin_, share in enumerate(distribution.bins[0]):
        for later, probability in enumerate(distribution.exits[bin_]):
            found.append((later + 1, bin_, (1 - distribution.leave[0]) * share * probability))
    return found
