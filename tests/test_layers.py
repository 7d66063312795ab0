"""Imports run one way; this reads them and holds it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "boards": {"boards"},
    "models_tflite": {"models_tflite"},
    "runtime": {"boards", "models_tflite", "runtime"},
    "firmware_bridge": {"boards", "models_tflite", "runtime", "firmware_bridge"},
    "tools": {"boards", "models_tflite", "runtime", "firmware_bridge"},
}
OURS = {*MAY_IMPORT, "edge_infer", "tests"}
HEAVY = {"tensorflow", "keras", "sklearn", "matplotlib", "PIL", "pandas"}


def files() -> list[Path]:
    return [path for folder in MAY_IMPORT for path in sorted((ROOT / folder).rglob("*.py"))]


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    assert imports(path) & OURS <= MAY_IMPORT[folder]


TRAINING = ROOT / "tools" / "train"
"""Only here may a module begin with a heavy library; commands import such modules when called."""


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_are_imported_lazily(path: Path) -> None:
    if TRAINING not in path.parents:
        assert not imports(path, top_level_only=True) & HEAVY


def test_no_command_loads_a_heavy_library_before_it_is_called() -> None:
    code = f"""
import sys
from edge_infer.cli import COMMANDS, root
for name in COMMANDS:
    assert root.get_command(None, name) is not None, name
print(*set(sys.modules) & {HEAVY!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_run_here_loads_neither_cryptography_nor_serial() -> None:
    code = (
        "import sys, edge_infer.run.cli; "
        "print(*{'cryptography', 'serial', 'cbor2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"cryptography", "serial", "cbor2"} & set(done.stdout.split())


def test_the_walk_sees_the_folders() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in files()} == set(MAY_IMPORT)
