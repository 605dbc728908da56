"""Every recipe of this project is within the limits of nucleus lite."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplens.config import InferenceConfig, ModelArtifact
from stacks.constructs.camera_runtime import runtime_folder, runtime_recipe
from stacks.constructs.component_recipes import generic_recipe, model_recipe
from stacks.recipes import broken_rules, component_version

pytestmark = pytest.mark.process

Recipe = dict[str, Any]
# The maximum size of a response that nucleus lite reads (measured); the response contains the
# recipe in Base64.
LARGEST_RESPONSE_BYTES = 16_384
DIGEST = "ab" * 32
ACCOUNT = "arn:aws:lambda:ap-southeast-2:111111111111:function"
# Names that deeplens.config accepts, including the longest ones.
environments = st.from_regex(r"\A[a-z][a-z0-9-]{0,12}\Z") | st.just("p" * 13)
models = st.from_regex(r"\A[a-z][a-z0-9-]{0,62}\Z") | st.just("m" * 63)
buckets = st.just(f"deeplens-{'b' * 54}")
contents = st.from_regex(r"\A[0-9a-f]{64}\Z")
topics = st.just("deeplens/{thing}/infer") | st.just("t" * 200 + "/{thing}/x")
numbers = st.integers(0, 999_999)


@st.composite
def model_recipes(draw: st.DrawFn) -> Recipe:
    environment, name, bucket = draw(environments), draw(models), draw(buckets)
    first = draw(numbers)
    artifact = ModelArtifact(Path("model.zip"), name, f"{first}.0.1", DIGEST)
    recipe = model_recipe(
        name=f"deeplens.{environment}.model.{name}",
        artifact=artifact,
        uri=f"s3://{bucket}/components/{name}/{DIGEST}/model.zip",
        statement=None,
    )
    return {**recipe, "ComponentVersion": component_version(first, draw(contents))}


@st.composite
def runtime_recipes(draw: st.DrawFn) -> Recipe:
    folder = runtime_folder(f"deeplens.{draw(environments)}.runtime", {"amd64": draw(contents)})
    uri = f"s3://{draw(buckets)}/components/runtime/{DIGEST}/runtime.zip"
    recipe = runtime_recipe(folder, {"amd64": uri, "aarch64": uri}, installs=False)
    return {**recipe, "ComponentVersion": component_version(1, draw(contents))}


@st.composite
def camera_recipes(draw: st.DrawFn) -> Recipe:
    environment, bucket = draw(environments), draw(buckets)
    folder = runtime_folder(f"deeplens.{environment}.runtime", {"amd64": DIGEST})
    version = component_version(1, draw(contents))
    recipe = generic_recipe(
        name=f"deeplens.{environment}.inference",
        model_uri=f"s3://{bucket}/components/{draw(models)}/{DIGEST}/model.zip",
        model_digest=DIGEST,
        function_uri=f"s3://{bucket}/components/inference-function/{DIGEST}/function.zip",
        settings=InferenceConfig.model_validate(
            {"topic": draw(topics), "camera": f"folder:{'f' * draw(st.integers(1, 200))}"}
        ),
        statement=None,
        trust={},
        runtime=draw(st.none() | st.just((folder.archive(version), folder.of_camera))),
    )
    recipe["Manifests"][0]["Lifecycle"]["run"]["Setenv"]["MY_FUNCTION_ARN"] = (
        f"{ACCOUNT}:deeplens-{environment}-inference:{draw(numbers)}"
    )
    return {**recipe, "ComponentVersion": component_version(draw(numbers), draw(contents))}


recipes = model_recipes() | runtime_recipes() | camera_recipes()


@given(recipe=recipes)
def test_name_and_version_survive_the_split_at_the_last_hyphen(recipe: Recipe) -> None:
    file = f"{recipe['ComponentName']}-{recipe['ComponentVersion']}.json"
    name, _, version = file.removesuffix(".json").rpartition("-")
    assert (name, version) == (recipe["ComponentName"], recipe["ComponentVersion"])


@given(recipe=recipes)
def test_each_component_has_a_service_that_a_deployment_waits_for(recipe: Recipe) -> None:
    for manifest in recipe["Manifests"]:
        assert "run" in manifest["Lifecycle"]
    assert "ComponentDependencies" not in recipe


@given(recipe=recipes)
def test_a_recipe_with_its_digests_fits_into_the_response_that_lite_reads(recipe: Recipe) -> None:
    for manifest in recipe["Manifests"]:
        for artifact in manifest["Artifacts"]:
            artifact |= {"Digest": "d" * 44, "Algorithm": "SHA-256"}
    components = "arn:aws:greengrass:ap-southeast-2:111111111111:components"
    component = {
        "arn": f"{components}:{'n' * 128}:versions:1.2.3",
        "componentName": recipe["ComponentName"],
        "componentVersion": recipe["ComponentVersion"],
        "recipe": base64.b64encode(json.dumps(recipe).encode()).decode(),
        "vendorGuidance": "ACTIVE",
    }
    response = json.dumps({"resolvedComponentVersions": [component]})
    assert len(response.encode()) <= LARGEST_RESPONSE_BYTES


@given(recipe=recipes)
def test_no_recipe_breaks_a_rule_of_either_nucleus(recipe: Recipe) -> None:
    assert list(broken_rules(recipe)) == []
