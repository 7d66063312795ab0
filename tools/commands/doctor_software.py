"""What doctor looks at in Python: version, interpreter packages, their kernels, package names."""

import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

from edge_infer.commands.doctor_finding import Finding
from edge_infer.models_tflite.backend import BACKEND_NAMES, default_backend_name, open_backend
from edge_infer.models_tflite.errors import BundleError

OLDEST = (3, 11)
NEWEST_OF_TFLITE_RUNTIME = (3, 11)
OUR_NAMES = ("edge_infer",)
DISTRIBUTION = "edge-infer"
PROBE = "bundles/digits-early-exit/exit1.tflite"
"""A small int8 model with the operators that XNNPACK takes."""


def python_findings() -> Iterator[Finding]:
    """Look at Python."""
    version = sys.version_info[:2]
    text = f"Python {platform.python_version()} on {platform.machine()}"
    if version < OLDEST:
        yield Finding("python", "problem", text, "install Python 3.11 or newer")
    elif platform.machine() == "armv7l" and version > NEWEST_OF_TFLITE_RUNTIME:
        mend = "use Python 3.11: tflite-runtime has no newer wheel, LiteRT none for armv7l"
        yield Finding("python", "problem", text, mend)
    else:
        yield Finding("python", "ok", text)


def backend_findings() -> Iterator[Finding]:
    """Load a small int8 model with every backend, and say which kernels ran it."""
    model = (resources.files("edge_infer.models_tflite") / PROBE).read_bytes()
    for name in BACKEND_NAMES:
        try:
            backend = open_backend(name)
            operators = operators_of(backend.load(model))
        except BundleError as error:
            needed = name == default_backend_name()
            reason, _, mend = str(error).rpartition(": ")
            yield Finding(f"backend {name}", "problem" if needed else "note", reason, mend)
            continue
        delegated = "DELEGATE" in operators
        kernels = "int8 runs on XNNPACK" if delegated else "int8 runs on built-in kernels"
        yield Finding(f"backend {name}", "ok", f"{backend.version}, {kernels}")


def operators_of(interpreter: object) -> Sequence[str]:
    """Return the operators that an interpreter runs; a delegate is one more. Empty if unknown."""
    details = getattr(interpreter, "_get_ops_details", None)
    return [operator["op_name"] for operator in details()] if details else []


def name_findings(owners: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Check that nobody else installed a package of a name of ours.

    Args:
        owners: distributions by package name (`importlib.metadata.packages_distributions`).
    """
    clashes = {
        name: sorted(set(owners.get(name, ())) - {DISTRIBUTION})
        for name in OUR_NAMES
        if set(owners.get(name, ())) - {DISTRIBUTION}
    }
    for name, others in clashes.items():
        yield Finding(
            "package names",
            "problem",
            f"the package {name} also comes from {', '.join(others)}",
            f"pip uninstall {' '.join(others)}, or install edge-infer in an environment of its own",
        )
    if not clashes:
        yield Finding("package names", "ok", f"{', '.join(OUR_NAMES)} are ours alone")
