"""Interpreter backends: which package runs a model, and with which kernels.

Kernel sets differ in the last bit, so a backend is a value that travels with results. The Edge TPU
is the platform's own package with a delegate.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from edge_infer.models_tflite import edgetpu
from edge_infer.models_tflite.errors import BackendError, ModelError, UnknownBackendError
from edge_infer.models_tflite.manifest import BackendInfo
from edge_infer.models_tflite.probe import vouch

if TYPE_CHECKING:  # the options of every command are made from here: NumPy would be half their time
    from numpy.typing import NDArray

Resolver = Literal["auto", "builtin", "reference"]

_RESOLVER_TYPES = {
    "auto": "AUTO",  # optimised kernels and the package's default delegate (XNNPACK)
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",  # optimised kernels alone
    "reference": "BUILTIN_REF",  # portable kernels, bit-identical over packages and processors
}


class Interpreter(Protocol):
    """A loaded model with its tensors allocated: what both packages share and we use."""

    def set_tensor(self, tensor_index: int, value: "NDArray[Any]") -> None:
        """Copy an array of the tensor's exact shape and dtype in."""
        ...

    def invoke(self) -> None:
        """Run the model."""
        ...

    def get_tensor(self, tensor_index: int) -> "NDArray[Any]":
        """Return a copy of a tensor."""
        ...

    def get_input_details(self) -> Sequence[Mapping[str, Any]]:
        """Return index, shape, dtype and quantisation of each input, in graph order."""
        ...

    def get_output_details(self) -> Sequence[Mapping[str, Any]]:
        """Return index, shape, dtype and quantisation of each output, in graph order."""
        ...

    def reset_all_variables(self) -> None:
        """Put every variable tensor back to zero."""
        ...


@dataclass(frozen=True, slots=True)
class _Package:
    module: str
    install: str
    newest_numpy: int | None = None
    """Major version of NumPy that the wheels were built against, if they break beside a newer."""


_PACKAGES = {
    "litert": _Package("ai_edge_litert.interpreter", "ai-edge-litert"),
    "tflite-runtime": _Package("tflite_runtime.interpreter", "edge-infer[tflite-runtime]", 1),
}

BACKEND_NAMES = (*_PACKAGES, edgetpu.NAME)
RESOLVER_NAMES: tuple[Resolver, ...] = get_args(Resolver)


@dataclass(frozen=True, slots=True)
class Backend:
    """A package of kernels, ready to load models."""

    name: str
    version: str
    resolver: Resolver
    arch: str
    """As `uname -m` says it."""
    _make: Callable[..., Any] = field(repr=False, compare=False)

    @property
    def info(self) -> BackendInfo:
        """The backend as manifests and results record it."""
        return BackendInfo(self.name, self.version, self.resolver, self.arch)

    def load(self, model: bytes, num_threads: int = 1) -> Interpreter:
        """Load a model from anywhere and allocate its tensors.

        One that these kernels have not run on this machine is tried in a child process first.

        Raises:
            ModelError: with the interpreter's reason in one line.
            BackendError: no child process can be started.
        """
        vouch([("the model", model)], self)
        return self.load_vouched(model, num_threads)

    def load_vouched(self, model: bytes, num_threads: int = 1) -> Interpreter:
        """Load a model that went through `vouch`: another may crash this process.

        Raises:
            ModelError: with the interpreter's reason in one line.
        """
        try:
            with _native_log_hidden():
                interpreter = self._make(model_content=model, num_threads=num_threads)
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError, TypeError, MemoryError, SystemError) as error:
            from edge_infer.models_tflite.refusals import refusal_reason  # for these alone

            reason = refusal_reason(error)
            raise ModelError(f"{self.name} {self.version} refuses the model: {reason}") from None
        loaded: Interpreter = interpreter
        return loaded


def default_backend_name() -> str:
    """Return the backend of this platform: LiteRT has no wheel for 32-bit Raspberry Pi systems."""
    return "tflite-runtime" if platform.machine() == "armv7l" else "litert"


def open_backend(name: str | None = None, resolver: str = "auto") -> Backend:
    """Return a backend by name.

    Args:
        name: one of `BACKEND_NAMES`, or None for the platform's default. The Edge TPU takes
            pycoral's device strings and a clock level: edgetpu:usb:0@max.
        resolver: `auto`, `builtin` (no default delegate) or `reference`.

    Raises:
        UnknownBackendError: the name or the resolver is not known.
        BackendError: its package is missing, or breaks beside the installed NumPy.
    """
    name = name or default_backend_name()
    accelerated = name.startswith(edgetpu.NAME)
    if accelerated:
        edgetpu.delegate_options(name)
    package = _PACKAGES.get(default_backend_name() if accelerated else name)
    if package is None:
        raise UnknownBackendError(f"no backend {name!r}: choose {' or '.join(BACKEND_NAMES)}")
    if resolver not in RESOLVER_NAMES:
        raise UnknownBackendError(f"no resolver {resolver!r}: choose {', '.join(RESOLVER_NAMES)}")
    module, version = _import(name, package)
    more = {"experimental_delegates": [edgetpu.load_edgetpu(module, name)]} if accelerated else {}
    resolver_type = module.OpResolverType[_RESOLVER_TYPES[resolver]]

    def make(**arguments: Any) -> Any:
        return module.Interpreter(experimental_op_resolver_type=resolver_type, **more, **arguments)

    return Backend(name, version, resolver, platform.machine(), make)


def _import(name: str, package: _Package) -> tuple[Any, str]:
    import numpy as np

    try:
        version: str = import_module(package.module.partition(".")[0]).__version__
        _check_numpy(name, package, np.__version__)
        return import_module(package.module), version
    except ImportError as error:
        raise BackendError(
            f"backend {name} is not usable here ({error}): pip install '{package.install}'"
        ) from None


def _check_numpy(name: str, package: _Package, numpy_version: str) -> None:
    major = int(numpy_version.split(".")[0])
    if package.newest_numpy is not None and major > package.newest_numpy:
        raise BackendError(
            f"backend {name} was built against NumPy {package.newest_numpy} and breaks beside "
            f"NumPy {numpy_version}: pip install 'numpy<{package.newest_numpy + 1}'"
        )


@contextmanager
def _native_log_hidden() -> Iterator[None]:
    """Send file descriptor 2 to nowhere meanwhile: native code logs there, past sys.stderr.

    What matters comes as an exception; what is hidden is "Created TensorFlow Lite XNNPACK
    delegate for CPU." and the like. Set TF_CPP_MIN_LOG_LEVEL=0 to see it.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # no standard error at all: nothing to hide
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
