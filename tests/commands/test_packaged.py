import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_package_of_the_checkout_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {name: settings["package-dir"].get(name, name) for name in settings["package-dir"]}
    there = {
        ".".join((name, *init.parent.relative_to(ROOT / folder).parts))
        for name, folder in folders.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert there == set(settings["packages"])
