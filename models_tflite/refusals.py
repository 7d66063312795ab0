"""What an interpreter says where it refuses a model, as a sentence with what to try.

Its own texts name lines of its C++ source; `-vv` logs them.
"""

import logging
import re

_log = logging.getLogger(__name__)

_NEWER = "convert the model for an older TensorFlow, or update the interpreter"
_REASONS: tuple[tuple[str, str], ...] = (
    (
        r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'",
        rf"no kernel for {{0}} of version {{1}}: {_NEWER}",
    ),
    (r"Op builtin_code out of range: (\d+)", rf"no builtin operator {{0}} is known: {_NEWER}"),
    (
        r"[Uu]nresolved custom op: ([^.\s]+)",
        "no kernel for the custom operator {0}: export with builtin operators only",
    ),
    (
        r"Select TensorFlow op\(s\).*?not supported",
        "it needs operators of full TensorFlow: convert with TFLITE_BUILTINS alone",
    ),
    (
        r"Node number (\d+) \((\w+)\) failed to (prepare|invoke)",
        "operator {0}, {1}, does not fit its tensors (it fails to {2}): the file is "
        "damaged, or its converter made a mistake; get it again, or convert the model anew",
    ),
    (
        r"\.(?:cc|h):\d+",
        "its interpreter cannot run it, -vv logs why: get it again, or convert the model anew",
    ),
)


def refusal_reason(error: BaseException) -> str:
    """Return an interpreter's error as one line for people."""
    said = " ".join(str(error).split()) or type(error).__name__
    _log.debug("the interpreter says: %s", said)
    for pattern, words in _REASONS:
        found = re.search(pattern, said)
        if found:
            return words.format(*found.groups())
    return said
