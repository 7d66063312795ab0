"""The library beside others' code: every name that leaves a file begins with einf_ or EINF_."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.firmware_build import FIRMWARE, build_library, exported_symbols

PUBLIC = sorted((FIRMWARE / "include" / "edge_infer").glob("*.h"))
INTERNAL = sorted((FIRMWARE / "src").rglob("*.h"))
SOURCES = sorted((FIRMWARE / "src").rglob("*.c"))
OTHERS_NAMES = Path(__file__).parent / "rtos_names.h"
OTHERS_HEADERS = ("clock", "device", "drivers/clock_control", "fs", "fs/fs", "kernel", "list",
                  "log", "logging/log", "queue", "semphr", "slots", "task", "util")  # fmt: skip
"""Of libc, Zephyr, FreeRTOS, without the .h; the bare name of each of our own is added."""

_DECLARED = {
    "macro": r"^#define (\w+)",
    "type": r"^(?:typedef enum .*)?\} (\w+);|^typedef [^{;]*?\(?\*?(\w+)\)?(?:\([^)]*\))?;",
    "structure": r"^(?:typedef )?(?:struct|enum) (\w+)",
    "variable": r"^extern .*?(\w+)(?:\[\w*\])?;",
    "inline function": r"^static inline [\w ]*\*?\b(\w+)\(",
    "function": r"^(?!static|typedef|extern|#|\}| )[\w ]+[ *](\w+)\(",
}


@pytest.mark.parametrize("kernels", ["plain", "dsp"])
def test_every_exported_symbol_has_the_prefix(
    kernels: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = exported_symbols(build_library(tmp_path_factory.getbasetemp(), kernels=kernels))
    assert len(names) > 150
    assert not [name for name in names if not name.startswith("einf_")]


def test_every_name_of_a_header_has_the_prefix() -> None:
    for header in [*PUBLIC, *INTERNAL]:
        names = list(_names(header.read_text(), *_DECLARED))
        assert names, header.name
        strangers = [n for n in names if not n.lower().startswith(("einf_", "edge_infer_"))]
        assert not strangers, header.name


def test_every_macro_and_constant_of_a_source_has_the_prefix() -> None:
    for source in SOURCES:
        strangers = [n for n in _names(source.read_text(), "macro") if not n.startswith("EINF_")]
        assert not strangers, source.name


def _names(text: str, *kinds: str) -> Iterator[str]:
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    for kind in kinds:
        for groups in re.findall(_DECLARED[kind], code, re.MULTILINE):
            yield groups if isinstance(groups, str) else "".join(groups)
    for constants in re.findall(r"\benum\b[^{;]*\{(.*?)\}", code, re.DOTALL):
        yield from re.findall(r"(\w+)(?: = [^,]+)?(?:,|\s*$)", constants)


@pytest.mark.parametrize("architecture", ["", "-D__ARM_FEATURE_SIMD32"], ids=["c", "simd32"])
def test_everything_compiles_beside_others_headers_and_names(
    architecture: str, tmp_path: Path
) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    _write_others_headers(tmp_path)
    public = tmp_path / "public.c"
    public.write_text("".join(f'#include "edge_infer/{header.name}"\n' for header in PUBLIC))
    command = ["gcc", "-std=c99", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-include",
               str(OTHERS_NAMES), f"-I{tmp_path}", f"-I{FIRMWARE}/include"]  # fmt: skip
    command += [architecture] if architecture else []
    for files in ([public], [f"-I{FIRMWARE}/src", *SOURCES]):
        done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[:2000]


def test_a_user_s_include_path_gains_one_folder() -> None:
    assert [path.name for path in (FIRMWARE / "include").iterdir()] == ["edge_infer"]


def _write_others_headers(folder: Path) -> None:
    names = {f"{name}.h" for name in OTHERS_HEADERS} | {path.name for path in [*PUBLIC, *INTERNAL]}
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f'#error "{name} of somebody else was taken for ours"\n')
