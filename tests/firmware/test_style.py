"""The firmware's sources keep to its house style."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.fakes.firmware_build import FIRMWARE, ROOT

SOURCES = sorted(
    p for p in FIRMWARE.rglob("*.[ch]") if "build" not in p.relative_to(FIRMWARE).parts
)
ALLOWED_HEADERS = {"stdbool.h", "stddef.h", "stdint.h", "string.h"}


def test_the_core_needs_no_more_of_a_c_library_than_memcpy_and_its_kin() -> None:
    core = [path for path in SOURCES if "ports" not in path.parts]
    assert len(core) > 40
    for path in core:
        included = set(re.findall(r"#include <(.+)>", path.read_text()))
        assert included <= ALLOWED_HEADERS, path.name
        called = re.findall(r"\b(malloc|calloc|realloc|free|printf|exit|abort)\(", path.read_text())
        assert not called, f"{path.name} calls {called}"


def test_files_stay_short() -> None:
    for path in SOURCES:
        assert len(path.read_text().splitlines()) <= 300, path.name


def test_sources_are_formatted() -> None:
    if shutil.which("clang-format") is None:
        pytest.skip("clang-format is not installed")
    # Its releases disagree in details; 14 is the one that the sources were formatted with.
    version = subprocess.run(["clang-format", "--version"], capture_output=True, text=True).stdout
    if " version 14." not in version:
        pytest.skip(f"the sources are formatted with clang-format 14, this is {version.strip()}")
    command = ["clang-format", "--dry-run", "-Werror", *map(str, SOURCES)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]


def test_files_of_the_python_side_that_comments_name_exist() -> None:
    named = {
        path: re.findall(r"\b((?:boards|firmware_bridge|models_tflite|runtime)/[\w/]+\.py)\b", text)
        for path in SOURCES
        for text in [path.read_text()]
    }
    assert sum(map(len, named.values())) >= 8
    for path, files in named.items():
        assert not [file for file in files if not (ROOT / file).exists()], path.name


def test_header_guards_are_unique() -> None:
    guards = [
        re.search(r"#ifndef (\w+)", path.read_text()) for path in SOURCES if path.suffix == ".h"
    ]
    names = [guard[1] for guard in guards if guard]
    assert len(names) == len(guards) == len(set(names)) > 15


def test_every_public_header_can_be_included_alone(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    command = ["gcc", "-std=c99", "-fsyntax-only", "-Wall", "-Werror", f"-I{FIRMWARE}/include"]
    for header in sorted((FIRMWARE / "include" / "edge_infer").glob("*.h")):
        source = tmp_path / "one.c"
        source.write_text(f'#include "edge_infer/{header.name}"\nextern int unused;\n')
        done = subprocess.run([*command, source], capture_output=True, text=True)
        assert done.returncode == 0, f"{header.name}: {done.stderr[:2000]}"
