"""Exit codes of the command, by the kind of error; the only list of them.

0 ok, 1 failure, 2 usage, 3 verification failed, 4 device not found or silent, 5 rolled back,
130 interrupted, 143 terminated.
"""

from edge_infer.boards.errors import BoardError, DamagedTraceError, TraceError, UnknownBoardError
from edge_infer.firmware_bridge.errors import (
    ImageError,
    LinkError,
    LinkLostError,
    LinkTimeoutError,
    RolledBackError,
    SlotError,
    WrongBoardError,
)
from edge_infer.models_tflite.errors import (
    BundleError,
    BundleNotFoundError,
    BundleVerificationError,
    CutError,
    FrameError,
    LabelFileError,
    ModelNotSupportedError,
    UnknownBackendError,
    UnknownRatioError,
)
from edge_infer.runtime.errors import InputError, PolicyError, RunError, SourceMissingError

OK, FAILURE, USAGE, VERIFICATION, NO_DEVICE, ROLLED_BACK = range(6)
INTERRUPTED, TERMINATED = 130, 143

OURS = (BoardError, BundleError, RunError, LinkError, ImageError, SlotError)
"""Errors that are a user's or a board's doing: one line, no traceback."""

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (UnknownBoardError, USAGE),
    (DamagedTraceError, VERIFICATION),
    (TraceError, USAGE),
    (PolicyError, USAGE),
    (SourceMissingError, USAGE),
    (InputError, USAGE),
    (FrameError, USAGE),
    (LabelFileError, USAGE),
    (ModelNotSupportedError, USAGE),
    (BundleNotFoundError, USAGE),
    (UnknownBackendError, USAGE),
    (UnknownRatioError, USAGE),
    (CutError, USAGE),
    (BundleVerificationError, VERIFICATION),
    (ImageError, VERIFICATION),
    (LinkTimeoutError, NO_DEVICE),
    (LinkLostError, NO_DEVICE),
    (RolledBackError, ROLLED_BACK),
    (WrongBoardError, USAGE),
)


def exit_code_of(error: Exception) -> int:
    """Return the exit code of one of our errors."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILURE)
