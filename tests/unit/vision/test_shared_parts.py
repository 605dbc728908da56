"""Each archive of a function contains the shared modules that the function imports."""

import ast

import pytest

# The construction of archives imports CDK, which starts Node in a process.
pytestmark = pytest.mark.process


@pytest.mark.parametrize("name", ["inference", "custom_resources", "fleet_metrics", "layer"])
def test_an_archive_contains_each_shared_module_that_it_imports(name: str) -> None:
    from stacks.constructs import function_code, signature_verification  # noqa: PLC0415 - the import loads CDK

    members = {
        "inference": function_code.inference_members,
        "custom_resources": function_code.custom_resources_members,
        "fleet_metrics": function_code.fleet_metrics_members,
        "layer": signature_verification.reader_members,
    }[name]()
    imported = {
        str(node.module)
        for file, content in members.items()
        if file.endswith(".py")
        for node in ast.walk(ast.parse(content))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("shared.")
    }
    in_layer = (
        {"shared.signatures", "shared.artifact.errors"} if name == "custom_resources" else set()
    )
    for module in imported - in_layer:
        path = module.replace(".", "/")
        assert members.keys() & {f"{path}.py", f"{path}/__init__.py"}, module
