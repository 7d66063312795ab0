"""A bed that cannot be had here is skipped with its reason, and says what to install."""

import shutil
import sys
from collections.abc import Mapping
from typing import NoReturn


def skip(reason: str) -> NoReturn:
    """Print why the bed is skipped and end with success."""
    print(f"SKIPPED: {reason}")
    sys.exit(0)


def need(programs: Mapping[str, str]) -> None:
    """Skip unless every program is there; `programs` names the Debian package of each."""
    absent = {name: package for name, package in programs.items() if shutil.which(name) is None}
    if absent:
        packages = " ".join(sorted(set(absent.values())))
        skip(f"{', '.join(absent)} not found; install with: sudo apt-get install {packages}")
