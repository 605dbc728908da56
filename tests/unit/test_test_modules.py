"""Test modules import shared code only from testkit, or from modules without tests."""

import ast
from pathlib import Path

TESTS = Path(__file__).parents[1]


def imported_modules(file: Path) -> set[str]:
    """Return the dotted names of all imports in a module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def test_no_module_imports_a_module_of_tests() -> None:
    importers = {
        str(file.relative_to(TESTS)): modules
        for file in TESTS.rglob("*.py")
        if (
            modules := sorted(
                name
                for name in imported_modules(file)
                if name.startswith("tests.") and name.rpartition(".")[2].startswith("test_")
            )
        )
    }
    assert importers == {}
