"""Up to the delegate call: no accelerator has been at hand."""

from types import SimpleNamespace
from typing import Any

import pytest

from edge_infer.models_tflite import backend, edgetpu
from edge_infer.models_tflite.errors import BackendError, UnknownBackendError


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("edgetpu", {}),
        ("edgetpu:", {}),
        ("edgetpu:usb", {"device": "usb"}),
        ("edgetpu:usb:1", {"device": "usb:1"}),
        ("edgetpu:pci:0", {"device": "pci:0"}),
        ("edgetpu::2", {"device": ":2"}),
        ("edgetpu@max", {"Performance": "Max"}),
        ("edgetpu:usb:0@low", {"device": "usb:0", "Performance": "Low"}),
    ],
)
def test_pycorals_device_strings_and_levels_become_the_delegates_options(
    name: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Any, ...]] = []
    made: list[dict[str, Any]] = []

    def make(**arguments: Any) -> Any:
        made.append(arguments)
        return SimpleNamespace(allocate_tensors=lambda: None)

    def load_delegate(*arguments: Any) -> str:
        calls.append(arguments)
        return "the delegate"

    module = SimpleNamespace(
        OpResolverType={"AUTO": 0}, Interpreter=make, load_delegate=load_delegate
    )
    monkeypatch.setattr("ctypes.CDLL", lambda library: library)
    monkeypatch.setattr(backend, "_import", lambda name, package: (module, "2.1"))
    opened = backend.open_backend(name)
    assert calls == [("libedgetpu.so.1", options)]
    assert (opened.name, opened.version) == (name, "2.1")
    opened.load_vouched(b"model")
    assert made[0]["experimental_delegates"] == ["the delegate"]


@pytest.mark.parametrize("name", ["edgetpu:gpu", "edgetpu:usb:x", "edgetpu@turbo", "edgetpux"])
def test_other_names_are_refused_with_the_form(name: str) -> None:
    with pytest.raises(UnknownBackendError, match=r"edgetpu\[:DEVICE\]\[@LEVEL\]"):
        backend.open_backend(name)


def test_without_the_library_it_says_what_to_install() -> None:
    try:
        backend.open_backend("edgetpu")
    except BackendError as error:
        assert "libedgetpu.so.1" in str(error) and "libedgetpu1-std" in str(error)
    else:
        pytest.skip("this computer has an Edge TPU")


def test_no_accelerator_behind_the_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_delegate(library: str, options: dict[str, str]) -> Any:
        raise ValueError("Failed to load delegate from libedgetpu.so.1\n")

    module = SimpleNamespace(OpResolverType={"AUTO": 0}, load_delegate=load_delegate)
    monkeypatch.setattr(backend, "_import", lambda name, package: (module, "2.1"))
    monkeypatch.setattr("ctypes.CDLL", lambda library: library)
    with pytest.raises(BackendError, match=r"Failed to load delegate .*plug the accelerator in"):
        backend.open_backend("edgetpu:usb")


def test_the_levels_are_the_libraries_four() -> None:
    assert edgetpu.LEVELS == ("low", "medium", "high", "max")
