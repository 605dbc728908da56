"""The synthesis of a generic component for nucleus classic."""

import json
from pathlib import Path
from typing import Any

import pytest

from deeplens.assembly import Stack, by_environment, read_assembly, text
from deeplens.policy import violations
from tests.synth.synthesis import ROOT, synthesize

pytestmark = pytest.mark.process

CAMERA = "deeplens.dev.camera"


def synthesized(folder: Path, **changes: str) -> list[Stack]:
    """Synthesize dev with one additional line in each section of `changes`; return its stacks."""
    environments = folder / "environments"
    environments.mkdir()
    content = (ROOT / "environments" / "dev.toml").read_text(encoding="utf-8")
    for section, line in changes.items():
        assert f"[{section}]\n" in content
        content = content.replace(f"[{section}]\n", f"[{section}]\n{line}\n")
    (environments / "dev.toml").write_text(content, encoding="utf-8")
    result = synthesize(folder / "assembly", environments)
    assert result.returncode == 0, result.stderr
    return by_environment(read_assembly(folder / "assembly"))["dev"]


def project(stacks: list[Stack]) -> dict[str, Any]:
    (properties,) = [
        resource["Properties"]
        for stack in stacks
        for _, resource in stack.definitions("Custom::DeepLensProject")
    ]
    return properties  # type: ignore[no-any-return]


def recipes(stacks: list[Stack]) -> dict[str, dict[str, Any]]:
    documents = [
        json.loads(text(resource["Properties"]["Recipe"]))
        for stack in stacks
        for _, resource in stack.definitions("Custom::GreengrassComponent")
    ]
    return {document["ComponentName"]: document for document in documents}


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> list[Stack]:
    return synthesized(tmp_path_factory.mktemp("classic"), inference='component = "generic"')


def test_the_deployment_needs_no_component_that_runs_lambda_functions(stacks: list[Stack]) -> None:
    components = json.loads(text(project(stacks)["Components"]))
    assert sorted(components) == ["aws.greengrass.Nucleus", CAMERA, "deeplens.dev.model.shapes"]


def test_the_published_version_is_deployed_and_verified(stacks: list[Stack]) -> None:
    (version,) = [
        logical_id
        for stack in stacks
        for logical_id, _ in stack.definitions("AWS::Lambda::Version")
    ]
    assert project(stacks)["FunctionArn"] == {"Ref": version}
    run = recipes(stacks)[CAMERA]["Manifests"][0]["Lifecycle"]["run"]
    assert version in run["Setenv"]["MY_FUNCTION_ARN"]


def test_the_component_has_the_rights_of_its_own_name(stacks: list[Stack]) -> None:
    components = json.loads(text(project(stacks)["Components"]))
    merge = json.loads(components[CAMERA]["configurationUpdate"]["merge"])
    (proxies,) = merge["accessControl"].values()
    assert sorted(proxies) == [f"{CAMERA}:mqttproxy:1", f"{CAMERA}:mqttproxy:2"]


def test_both_nuclei_run_the_same_recipe(stacks: list[Stack], tmp_path: Path) -> None:
    on_classic = recipes(stacks)[CAMERA]
    on_lite = recipes(synthesized(tmp_path, fleet='core_runtime = "lite"'))[
        "deeplens.dev.inference"
    ]
    own = {"ComponentName", "ComponentVersion"}
    assert {key: on_classic[key] for key in on_classic if key not in own} == {
        key: on_lite[key] for key in on_lite if key not in own
    }


def test_it_breaks_no_rule(stacks: list[Stack]) -> None:
    assert [str(finding) for finding in violations(stacks)] == []
