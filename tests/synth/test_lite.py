"""The synthesized generic component meets the strict rules of nucleus lite."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deeplens.assembly import Stack, by_environment, read_assembly, text
from deeplens.config import load_environment
from deeplens.policy import violations
from tests.synth.synthesis import ROOT, synthesize

pytestmark = pytest.mark.process

# The recipe variables of nucleus lite. Source: docs/RECIPE_SUPPORT_CHANGES.md of
# aws-greengrass-lite.
VARIABLES = {
    "artifacts:path",
    "artifacts:decompressedPath",
    "kernel:rootPath",
    "iot:thingName",
    "work:path",
}
DEV = load_environment(ROOT / "environments" / "dev.toml")


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> list[Stack]:
    environments = tmp_path_factory.mktemp("environments")
    content = (ROOT / "environments" / "dev.toml").read_text(encoding="utf-8")
    (environments / "dev.toml").write_text(
        content.replace("[fleet]", '[fleet]\ncore_runtime = "lite"'), encoding="utf-8"
    )
    assembly = tmp_path_factory.mktemp("assembly")
    result = synthesize(assembly, environments)
    assert result.returncode == 0, result.stderr
    return by_environment(read_assembly(assembly))["dev"]


@pytest.fixture(scope="module")
def recipes(stacks: list[Stack]) -> list[dict[str, Any]]:
    return [
        json.loads(text(resource["Properties"]["Recipe"]))
        for stack in stacks
        for _, resource in stack.definitions("Custom::GreengrassComponent")
    ]


def test_a_fleet_on_lite_gets_generic_components_only(recipes: list[dict[str, Any]]) -> None:
    assert [recipe["ComponentName"] for recipe in recipes] == [
        "deeplens.dev.model.shapes",
        "deeplens.dev.inference",
    ]
    assert {recipe["ComponentType"] for recipe in recipes} == {"aws.greengrass.generic"}


def test_recipes_keep_to_what_lite_reads(recipes: list[dict[str, Any]]) -> None:
    for recipe in recipes:
        (manifest,) = recipe["Manifests"]
        assert "run" in manifest["Lifecycle"]
        assert manifest["Platform"]["runtime"] in {"*", "aws_nucleus_lite"}
        assert not {"shutdown", "recover", "bootstrap"} & manifest["Lifecycle"].keys()
        assert "ComponentDependencies" not in recipe
        script = text(json.dumps(manifest["Lifecycle"]))
        assert set(re.findall(r"(?<!\$)\{([\w:]+)\}", script)) <= VARIABLES
        names = [artifact["Uri"].rpartition("/")[2] for artifact in manifest["Artifacts"]]
        assert len(set(names)) == len(names)


def test_the_loop_is_told_its_model_and_names_its_own_thing(recipes: list[dict[str, Any]]) -> None:
    run = recipes[1]["Manifests"][0]["Lifecycle"]["run"]
    assert run["Setenv"]["DEEPLENS_MODEL_DIGEST"] == DEV.model.digest
    assert run["Setenv"]["DEEPLENS_TOPIC"] == "deeplens/{iot:thingName}/infer"
    assert run["Setenv"]["MY_FUNCTION_ARN"]


def test_the_deployment_has_no_part_of_the_classic_core(stacks: list[Stack]) -> None:
    (project,) = [
        resource for stack in stacks for _, resource in stack.definitions("Custom::DeepLensProject")
    ]
    components = json.loads(text(project["Properties"]["Components"]))
    assert sorted(components) == ["deeplens.dev.inference", "deeplens.dev.model.shapes"]


def test_a_fleet_on_lite_breaks_no_rule(stacks: list[Stack]) -> None:
    assert [str(finding) for finding in violations(stacks)] == []


def test_the_functions_zip_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    from stacks.constructs.function_code import inference_archive  # noqa: PLC0415 - the import loads CDK

    first = inference_archive()
    inference_archive.cache_clear()
    assert inference_archive().digest == first.digest
    assert first.path.stat().st_size < 1_000_000
    assert tmp_path.exists()
