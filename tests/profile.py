"""How many examples a property is tried on, and which: the same every time, or others every time.

`make test` tries the same few, so that what is green stays green until the code changes.
`make test-slow` tries many others, from a seed that it prints.
"""

import os

from hypothesis import HealthCheck, settings

PROFILE = os.environ.get("EDGE_INFER_TEST_PROFILE", "fixed")
"""`fixed` or `random`."""
_MANY = 20
_COMMON = settings(
    # The machine may be shared: neither a slow example nor slow drawing is a failure.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
    derandomize=False,
)


def examples(count: int) -> int:
    """Return how many examples to try where `make test` tries `count`."""
    return count * _MANY if PROFILE == "random" else count


settings.register_profile("fixed", _COMMON, max_examples=60, derandomize=True)
settings.register_profile("random", _COMMON, max_examples=examples(60))
