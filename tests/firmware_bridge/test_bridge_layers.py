"""Imports inside firmware_bridge run one way; this reads them and holds it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

BRIDGE = Path(__file__).parents[2] / "firmware_bridge"
ORDER = ("errors", "wire", "port", "smp", "image", "children", "slots", "worker", "device", "host",
         "fleet")  # fmt: skip
"""A part imports what stands before it."""
DEVICE_SIDE = {"slots", "worker", "device"}
"""What the host does not know; it knows the wire."""


def _imported(path: Path) -> set[str]:
    """Return the parts of firmware_bridge that a module imports."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "edge_infer.firmware_bridge"
        ):
            parts.add((node.module or "").split(".")[2])
    return parts


def _modules(part: str) -> list[Path]:
    """Return the modules of a package, or the one that stands alone."""
    return sorted((BRIDGE / part).glob("*.py")) or [BRIDGE / f"{part}.py"]


@pytest.mark.parametrize("part", ORDER)
def test_a_part_imports_what_stands_before_it(part: str) -> None:
    for module in _modules(part):
        assert _imported(module) <= set(ORDER[: ORDER.index(part) + 1]), module.name


def test_host_and_device_do_not_know_each_other() -> None:
    for module in (*_modules("host"), *_modules("fleet")):
        assert not _imported(module) & DEVICE_SIDE, module.name


@pytest.mark.parametrize(
    "module", sorted(path.stem for path in (BRIDGE / "host").glob("[a-z]*.py"))
)
def test_importing_the_host_loads_nothing_of_the_device(module: str) -> None:
    code = f"import sys, edge_infer.firmware_bridge.host.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = [name for name in done.stdout.split() if name.startswith("edge_infer.firmware_bridge.")]
    assert f"edge_infer.firmware_bridge.host.{module}" in ours
    assert not [name for name in ours if name.split(".")[2] in DEVICE_SIDE]
    assert not {"serial", "cbor2", "cryptography"} & set(done.stdout.split())
    assert len(ours) < 30


def test_every_part_stands_in_the_order() -> None:
    packages = {path.parent.name for path in BRIDGE.glob("*/__init__.py")}
    alone = {path.stem for path in BRIDGE.glob("[a-z]*.py")}
    assert packages | alone == set(ORDER)
