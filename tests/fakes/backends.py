"""The interpreter backends as test parameters; one that is not usable here is skipped by name."""

from collections.abc import Sequence
from typing import Any

import pytest

from edge_infer.models_tflite import edgetpu
from edge_infer.models_tflite.backend import BACKEND_NAMES, RESOLVER_NAMES, Backend, open_backend
from edge_infer.models_tflite.errors import BackendError


def _marks(name: str) -> Sequence[pytest.MarkDecorator]:
    marks = [pytest.mark.backend]
    try:
        open_backend(name)
    except BackendError as error:
        marks.append(pytest.mark.skip(reason=str(error)))
    return marks


def open_or_skip(name: str, resolver: str = "auto") -> Backend:
    """Return a backend, or skip the test where it is not usable."""
    try:
        return open_backend(name, resolver)
    except BackendError as error:
        pytest.skip(str(error))


BACKENDS: list[Any] = [pytest.param(name, marks=_marks(name)) for name in BACKEND_NAMES]
INTERPRETERS = BACKENDS[: BACKEND_NAMES.index(edgetpu.NAME)]
"""Without the accelerator: what runs any model."""
KERNELS: list[Any] = [
    pytest.param(name, resolver, marks=_marks(name))
    for name in BACKEND_NAMES
    for resolver in RESOLVER_NAMES
]
"""Every backend with every resolver, for parameters ("name", "resolver")."""
