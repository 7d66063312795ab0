"""Settings for every test."""

from hypothesis import settings

# The machine may be shared: a slow example is no failure.
settings.register_profile("edge-infer", deadline=None, max_examples=60)
settings.load_profile("edge-infer")
