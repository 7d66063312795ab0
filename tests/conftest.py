"""Settings for every test."""

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Generator

import pytest
from hypothesis import settings
from tests.profile import PROFILE

settings.load_profile(PROFILE)

# What was tried in a child process is remembered for this run and its workers, and not beyond.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="edge-infer-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

# A shell starts what it runs in the background with SIGINT ignored, and programs inherit that;
# with a handler here they begin with the default action, and a test can interrupt them.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what is skipped for want of tflite-runtime and would run in neither environment."""
    report = yield
    wanting = report.skipped and "backend tflite-runtime" in str(report.longrepr)
    if wanting and item.get_closest_marker("backend") is None:
        report.outcome, report.longrepr = "failed", "it needs tflite-runtime: mark it `backend`"
    return report
