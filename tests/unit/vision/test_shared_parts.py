"""The layer that verifies signatures in the cloud has every module that it imports."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "lambda_src" / "inference"
CONSTRUCT = ROOT / "stacks" / "constructs" / "verification.py"


def shared_parts() -> tuple[str, ...]:
    """The construct's own list, without loading CDK."""
    for node in ast.parse(CONSTRUCT.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_SHARED_PARTS":
            return tuple(ast.literal_eval(node.value))
    raise AssertionError("no _SHARED_PARTS")


def test_each_imported_module_of_vision_is_in_the_layer() -> None:
    packed = {file for part in shared_parts() for file in SOURCES.glob(part)}
    assert SOURCES / "vision" / "signatures" / "bundle.py" in packed
    for file in packed:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("vision"):
                module = SOURCES / str(node.module).replace(".", "/")
                assert packed & {module.with_suffix(".py"), module / "__init__.py"}, node.module
