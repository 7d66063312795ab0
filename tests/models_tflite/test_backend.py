"""Which package and kernels run a model, and what is said when they cannot."""

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.fakes.backends import KERNELS, open_or_skip
from tests.fakes.tiny_models import single_model

from edge_infer.models_tflite.backend import default_backend_name, open_backend
from edge_infer.models_tflite.errors import BackendError, ModelError, UnknownBackendError


@pytest.mark.parametrize(("name", "resolver"), KERNELS)
def test_every_backend_runs_a_model_with_every_resolver(name: str, resolver: str) -> None:
    backend = open_backend(name, resolver)
    assert (backend.name, backend.resolver, backend.arch) == (name, resolver, platform.machine())
    interpreter = backend.load(single_model())
    interpreter.set_tensor(
        interpreter.get_input_details()[0]["index"], np.zeros((1, 8, 8, 1), "i1")
    )
    interpreter.invoke()
    assert interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).shape == (1, 5)


@pytest.mark.backend
def test_a_backend_is_a_value_that_results_record() -> None:
    assert open_backend("litert") == open_backend("litert")
    assert open_backend("litert") != open_backend("litert", "reference")
    info = open_or_skip("tflite-runtime", "reference").info
    assert (info.backend, info.version, info.resolver) == ("tflite-runtime", "2.14.0", "reference")


@pytest.mark.parametrize(
    ("machine", "name"),
    [("x86_64", "litert"), ("aarch64", "litert"), ("armv7l", "tflite-runtime")],
)
def test_the_default_follows_the_platform(
    monkeypatch: pytest.MonkeyPatch, machine: str, name: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert default_backend_name() == name


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UnknownBackendError, match="'onnx': choose litert or tflite-runtime"):
        open_backend("onnx")
    with pytest.raises(UnknownBackendError, match="'fast': choose auto, builtin, reference"):
        open_backend("litert", "fast")


@pytest.mark.backend
def test_numpy_2_beside_tflite_runtime_is_named_before_it_breaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_or_skip("tflite-runtime")
    monkeypatch.setattr(np, "__version__", "2.1.3")
    with pytest.raises(BackendError, match=r"breaks beside NumPy 2\.1\.3: pip install 'numpy<2'"):
        open_backend("tflite-runtime")
    assert open_backend("litert").name == "litert"


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "__version__", "1.26.4")
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    with pytest.raises(BackendError, match=r"pip install 'edge-infer\[tflite-runtime\]'"):
        open_backend("tflite-runtime")


def test_a_refusal_is_one_line_with_the_reason() -> None:
    with pytest.raises(ModelError, match=r"litert .* refuses the model: ") as caught:
        open_backend("litert").load_vouched(b"no model at all, but long enough to be looked at")
    assert "\n" not in str(caught.value)


def test_native_start_up_notes_do_not_reach_standard_error() -> None:
    # In a fresh process: the note comes with its first interpreter only.
    code = (
        "import sys; from edge_infer.models_tflite.backend import open_backend;"
        "open_backend('litert').load(sys.stdin.buffer.read())"
    )
    child = subprocess.run(
        [sys.executable, "-c", code],
        input=single_model(),
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stderr == b""
