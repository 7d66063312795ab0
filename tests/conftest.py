"""Settings for every test."""

import signal

from hypothesis import settings

# The machine may be shared: a slow example is no failure.
settings.register_profile("edge-infer", deadline=None, max_examples=60)
settings.load_profile("edge-infer")

# A shell starts what it runs in the background with SIGINT ignored, and programs inherit that;
# with a handler here they begin with the default action, and a test can interrupt them.
signal.signal(signal.SIGINT, signal.default_int_handler)
