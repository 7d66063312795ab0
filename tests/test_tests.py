"""Each test claims something, of what can be seen from outside; this reads them and holds it."""

import ast
import re
from collections.abc import Collection
from pathlib import Path

TESTS = Path(__file__).parent
PUBLIC = {"_asdict", "_fields", "_make", "_replace"}
"""Of named tuples: the underscore keeps them apart from the fields."""


def private_reads(source: str) -> list[str]:
    if not re.search(r"(?<!self)(?<!cls)\._[a-z]", source):  # most files: no need to parse them
        return []
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    return [f"line {n.lineno}: {ast.unparse(n)}" for n in found if is_private(n)]


def is_private(node: ast.Attribute) -> bool:
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    if owner in ("self", "cls") or (owner, node.attr) == ("os", "_exit"):
        return False
    return node.attr.startswith("_") and not node.attr.startswith("__") and node.attr not in PUBLIC


def silent_tests(source: str) -> list[str]:
    tree = ast.parse(source)
    tests = [function for function in functions(tree) if function.name.startswith("test_")]
    silent = [test for test in tests if not claims(test)]
    known = claiming_functions(tree) | claiming_imports(tree) if silent else ()
    return [f"line {test.lineno}: {test.name}" for test in silent if not claims(test, known)]


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def claims(function: ast.AST, known: Collection[str] = ()) -> bool:
    """Return True where it asserts, or calls what does by its name or is one of `known`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("raises", "fail") or name.lstrip("_").startswith(("assert", "check")):
                return True
            if name in known:
                return True
    return False


def claiming_functions(tree: ast.Module) -> set[str]:
    return {function.name for function in functions(tree) if claims(function)}


def claiming_imports(tree: ast.Module) -> set[str]:
    """Names of fakes that claim something."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests.fakes."):
            file = TESTS.parent / f"{(node.module or '').replace('.', '/')}.py"
            claiming = claiming_functions(ast.parse(file.read_text()))
            found |= claiming.intersection(alias.name for alias in node.names)
    return found


def test_nothing_private_is_read() -> None:
    for path in TESTS.rglob("*.py"):
        assert not private_reads(path.read_text()), path


def test_every_test_claims_something() -> None:
    for path in TESTS.rglob("test_*.py"):
        assert not silent_tests(path.read_text()), path


def test_the_rules_see_what_breaks_them() -> None:
    source = (
        "from tests.fakes.firmware_bundles import close_on_firmware\n"
        "from tests.fakes.firmware_bundles import timed_on_the_firmware\n"
        "def test_1(): x._y, x.y._z, self._a, x._replace(y=1), x.__name__, os._exit(1)\n"
        "def _f(): assert x\n"
        "def test_2(): _f()\n"
        "def test_3(): timed_on_the_firmware()\n"
        "def test_4(): close_on_firmware()\n"
        "def test_5():\n with pytest.raises(E): x\n"
        "def test_6(): subprocess.run([], check=True)\n"
    )
    assert private_reads(source) == ["line 3: x._y", "line 3: x.y._z"]
    assert silent_tests(source) == ["line 3: test_1", "line 7: test_4", "line 10: test_6"]
