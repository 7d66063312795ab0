"""What takes minutes, or a cross compiler, runs in `make test-mcu` alone."""

import os

import pytest


@pytest.fixture(scope="module")
def test_mcu_only() -> None:
    if not os.environ.get("EDGE_INFER_TEST_MCU"):
        pytest.skip("part of make test-mcu")
