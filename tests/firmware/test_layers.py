"""Inside the library everything depends in one direction: files, folders and object files."""

import re
import subprocess
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from tests.fakes.firmware_build import FIRMWARE, build_library

SRC = FIRMWARE / "src"
FOLDERS = ("kernels", "image", "models_tflite", "runtime", "slots", "smp", "worker", "device")
"""What stands further behind may include what stands before it."""


def test_no_file_includes_itself_in_a_circle() -> None:
    includes: dict[str, set[str]] = defaultdict(set)
    for path in [*SRC.rglob("*.[ch]"), *(FIRMWARE / "include").rglob("*.h")]:
        # A source and its header are one thing.
        includes[path.stem] |= {Path(name).stem for name in _included(path)} - {path.stem}
    _assert_no_circle(includes)


def test_folders_include_what_stands_before_them() -> None:
    assert {path.name for path in SRC.iterdir()} == set(FOLDERS)
    for path in SRC.rglob("*.[ch]"):
        place = FOLDERS.index(path.relative_to(SRC).parts[0])
        for name in _included(path):
            folder = name.split("/")[0]
            assert folder == "edge_infer" or FOLDERS.index(folder) <= place, f"{path.name}: {name}"


def _included(path: Path) -> list[str]:
    return re.findall(r'#include "(.+)"', path.read_text())


def test_no_object_file_needs_itself_in_a_circle(tmp_path_factory: pytest.TempPathFactory) -> None:
    library = build_library(tmp_path_factory.getbasetemp())
    listing = subprocess.run(["nm", str(library)], check=True, capture_output=True, text=True)
    defines: dict[str, str] = {}
    wants: dict[str, set[str]] = defaultdict(set)
    member = ""
    for line in listing.stdout.splitlines():
        if line.endswith(".o:"):
            member = line[:-1]
        elif found := re.fullmatch(r"[0-9a-f]+ [A-Z] (\w+)", line):
            defines[found[1]] = member
        elif found := re.fullmatch(r" +U (\w+)", line):
            wants[member].add(found[1])
    needs = {m: {defines[n] for n in names if n in defines} - {m} for m, names in wants.items()}
    assert len(needs) > 40
    _assert_no_circle(needs)


def _assert_no_circle(needs: dict[str, set[str]]) -> None:
    TopologicalSorter(needs).prepare()  # CycleError names the circle
