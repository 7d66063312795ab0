"""Imports run one way; this reads them and holds it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "boards": ROOT / "boards",
    "models_tflite": ROOT / "models_tflite",
    "runtime": ROOT / "runtime",
    "firmware_bridge": ROOT / "firmware_bridge",
    "lab": ROOT / "tools" / "lab",
    "commands": ROOT / "tools" / "commands",
}
"""Each part of edge_infer, and where it stands."""
MAY_IMPORT = {
    "boards": {"boards"},
    "models_tflite": {"models_tflite"},
    "runtime": {"boards", "models_tflite", "runtime"},
    "firmware_bridge": {"boards", "models_tflite", "runtime", "firmware_bridge"},
    "lab": {"boards", "models_tflite", "runtime", "lab"},
    "commands": set(FOLDERS),
}
HEAVY = {"tensorflow", "keras", "sklearn", "matplotlib", "PIL", "pandas"}
TALKS = {"click", "rich"}
"""What only a command needs."""


def parts_and_files() -> list[tuple[str, Path]]:
    return [(part, path) for part, at in FOLDERS.items() for path in sorted(at.rglob("*.py"))]


def names(path: Path, top_level_only: bool = False) -> set[str]:
    """The modules that a file imports, dotted."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def parts(path: Path) -> set[str]:
    """The parts of edge_infer that a file imports."""
    dotted = [name.split(".") for name in names(path)]
    return {words[1] for words in dotted if words[0] == "edge_infer"} - {"lazy", "files"}


def loaded_by(code: str) -> set[str]:
    """The modules there are after a program."""
    shown = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("part", FOLDERS)
def test_imports_run_one_way(part: str) -> None:
    for path in sorted(FOLDERS[part].rglob("*.py")):
        assert parts(path) <= MAY_IMPORT[part], path


TRAINING = FOLDERS["lab"] / "train"
"""Only here may a module begin with a heavy library; others import such modules when called."""


@pytest.mark.parametrize("part", FOLDERS)
def test_heavy_libraries_are_imported_lazily(part: str) -> None:
    for path in sorted(FOLDERS[part].rglob("*.py")):
        tops = {name.split(".")[0] for name in names(path, top_level_only=True)}
        assert TRAINING in path.parents or not tops & HEAVY, path


@pytest.mark.parametrize("part", sorted(set(FOLDERS) - {"commands"}))
def test_only_commands_read_a_command_line_and_print(part: str) -> None:
    for path in sorted(FOLDERS[part].rglob("*.py")):
        assert not {name.split(".")[0] for name in names(path)} & TALKS, path
        calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
        assert "print" not in {call.id for call in calls if isinstance(call, ast.Name)}, path


def test_no_command_loads_a_heavy_library_before_it_is_called() -> None:
    loaded = loaded_by(
        "from edge_infer.commands.root import COMMANDS, root\n"
        "for name in COMMANDS:\n"
        "    assert root.get_command(None, name) is not None, name"
    )
    assert not loaded & HEAVY


@pytest.mark.parametrize("command", ["run", "serve"])
def test_what_runs_on_a_board_loads_nothing_of_the_laboratory(command: str) -> None:
    # Some of it is imported when the command is called.
    called = names(FOLDERS["commands"] / f"{command}.py")
    modules = {name.rpartition(".")[0] for name in called if name.startswith("edge_infer.")}
    modules.add(f"edge_infer.commands.{command}")
    loaded = loaded_by("\n".join(f"import {module}" for module in modules))
    assert "edge_infer.runtime.engine" in loaded
    assert not [name for name in loaded if name.startswith("edge_infer.lab")]


def test_a_run_here_loads_neither_cryptography_nor_serial() -> None:
    loaded = loaded_by("import edge_infer.commands.run")
    assert not {"cryptography", "serial", "cbor2"} & loaded


def test_no_constant_is_bound_twice() -> None:
    """The later one would stand for the first too, wherever that is used."""
    for _, path in parts_and_files():
        targets = [
            target
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.Assign)
            for target in ast.walk(ast.Tuple(node.targets))
        ]
        found = [target.id for target in targets if isinstance(target, ast.Name)]
        assert len(found) == len(set(found)), f"{path}: {sorted(found)}"


def test_the_walk_sees_the_folders() -> None:
    assert {part for part, _ in parts_and_files()} == set(FOLDERS)


def test_what_tells_of_commands_alone_loads_no_numpy() -> None:
    # It would be half the time of --version, of --help and of completing a command.
    assert "numpy" not in loaded_by("import edge_infer.commands.root")
