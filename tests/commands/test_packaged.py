import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_every_package_of_the_checkout_is_installed() -> None:
    setuptools = pytest.importorskip("setuptools")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    [where] = settings["packages"]["find"]["where"]
    parts = {link.name: link for link in (ROOT / where / "edge_infer").iterdir() if link.is_dir()}
    there = {
        ".".join(("edge_infer", name, *module.parent.relative_to(folder.resolve()).parts))
        for name, folder in parts.items()
        for module in folder.resolve().rglob("*.py")
    }
    assert {"boards", "models_tflite", "runtime", "firmware_bridge", "lab", "commands"} <= set(
        parts
    )
    assert {"edge_infer", *there} == set(setuptools.find_packages(str(ROOT / where)))
