"""The Edge TPU's delegate: device strings as pycoral has them, and the clock level.

pycoral/utils/edgetpu.py, make_interpreter: "", ":N", "usb", "usb:N", "pci", "pci:N".
libedgetpu, tflite/public/edgetpu_c.h: delegate options "device" and "Performance".
"""

import re
from types import ModuleType
from typing import Any

from edge_infer.models_tflite.errors import BackendError, UnknownBackendError

NAME = "edgetpu"
LIBRARY = "libedgetpu.so.1"
LEVELS = ("low", "medium", "high", "max")
"""63, 125, 250 and 500 MHz; chosen when the delegate is opened, so once a session."""
FORM = re.compile(r"edgetpu(?::(?P<device>(?:usb|pci)?(?::\d+)?))?(?:@(?P<level>[a-z]+))?")
ADVICE = (
    "install libedgetpu1-std, built for this backend's TensorFlow Lite, plug the accelerator in, "
    "and join the group plugdev (USB) or apex (PCIe)"
)


def delegate_options(name: str) -> dict[str, str]:
    """Return the delegate's options of a name: edgetpu[:DEVICE][@LEVEL].

    DEVICE is usb, usb:N, pci, pci:N or :N, the first accelerator by default; LEVEL one of LEVELS,
    the library's own by default. Raises UnknownBackendError.
    """
    match = FORM.fullmatch(name)
    level = match["level"] if match else None
    if match is None or (level is not None and level not in LEVELS):
        raise UnknownBackendError(
            f"no backend {name!r}: write edgetpu[:DEVICE][@LEVEL] with DEVICE usb, usb:N, pci, "
            f"pci:N or :N and LEVEL {', '.join(LEVELS)}"
        )
    options = {"device": match["device"]} if match["device"] else {}
    return options | ({"Performance": level.capitalize()} if level else {})


def load_edgetpu(module: ModuleType, name: str) -> Any:
    """Load the delegate with an interpreter package's own loader. Raises BackendError."""
    import ctypes  # for this accelerator alone

    options = delegate_options(name)
    try:
        # Both packages' delegates complain at their end when the library never opened.
        ctypes.CDLL(LIBRARY)
        return module.load_delegate(LIBRARY, options)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or "no accelerator answers"
        raise BackendError(f"backend {name} is not usable here ({reason}): {ADVICE}") from None
