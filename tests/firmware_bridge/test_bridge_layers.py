"""Imports inside firmware_bridge run one way; this reads them and holds it."""

import ast
from pathlib import Path

import pytest

BRIDGE = Path(__file__).parents[2] / "firmware_bridge"
ORDER = ("errors", "smp", "image", "log", "slots", "worker", "groups", "line", "host", "device")
"""A package imports what stands before it."""


def _imported(path: Path) -> set[str]:
    """Return the parts of firmware_bridge that a module imports."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "edge_infer.firmware_bridge"
        ):
            parts.add((node.module or "").split(".")[2])
    return parts


@pytest.mark.parametrize("package", ORDER[1:])
def test_a_package_imports_what_stands_before_it(package: str) -> None:
    modules = sorted((BRIDGE / package).glob("*.py"))
    assert len(modules) > 2
    for module in modules:
        assert _imported(module) <= set(ORDER[: ORDER.index(package) + 1]), module.name


def test_host_and_device_do_not_know_each_other() -> None:
    for module in (BRIDGE / "device").glob("*.py"):
        assert "host" not in _imported(module)


def test_every_package_stands_in_the_order() -> None:
    found = {path.parent.name for path in BRIDGE.glob("*/__init__.py")}
    assert found == set(ORDER) - {"errors"}
