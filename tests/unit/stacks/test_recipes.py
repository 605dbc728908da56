"""Recipes that a core would reject are rejected with the name of the rule."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deeplens.config import InferenceConfig
from stacks.constructs.camera_runtime import runtime_folder, runtime_recipe
from stacks.constructs.component_recipes import generic_recipe, linux_process
from stacks.recipes import (
    FORM_RULES,
    LITE_RULES,
    PUBLISHED_RULES,
    RecipeError,
    broken_rules,
    check_recipe,
    component_version,
)

pytestmark = pytest.mark.process

VERSION = component_version(1, "ab" * 32)
DIGEST = "ab" * 32
BUCKET = "s3://deeplens-dev-111111111111-eu-central-1/components"
RUNTIME = runtime_folder("deeplens.dev.runtime", {})
Recipe = dict[str, Any]


def inference(runtime: tuple[str, str] | None = None, **settings: object) -> Recipe:
    recipe = generic_recipe(
        name="deeplens.dev.inference",
        model_uri=f"{BUCKET}/shapes/{DIGEST}/model.zip",
        model_digest=DIGEST,
        function_uri=f"{BUCKET}/inference-function/{DIGEST}/function.zip",
        settings=InferenceConfig.model_validate(settings),
        statement=None,
        trust={},
        runtime=runtime,
    )
    return {**recipe, "ComponentVersion": VERSION}


def runtime(*architectures: str, installs: bool = False) -> Recipe:
    folder = runtime_folder("deeplens.dev.runtime", dict.fromkeys(architectures, DIGEST))
    uris = dict.fromkeys(architectures, f"{BUCKET}/runtime/{DIGEST}/runtime.zip")
    return {**runtime_recipe(folder, uris, installs=installs), "ComponentVersion": VERSION}


# All recipes of this project, for all values in environments.
recipes = st.one_of(
    st.builds(
        inference,
        runtime=st.none() | st.just((RUNTIME.archive(VERSION), RUNTIME.of_camera)),
        camera=st.sampled_from(["folder:camera", "awscam", "v4l2:/dev/video0"]),
        threshold=st.floats(0, 1),
        topic=st.sampled_from(["deeplens/{thing}/infer", "cameras/all", "a/{thing}"]),
        engine_device=st.sampled_from(["auto", "cpu", "gpu"]),
    ),
    st.builds(runtime, st.just("amd64")),
    st.builds(runtime, st.just("amd64"), st.just("aarch64")),
)


def manifest(recipe: Recipe) -> Recipe:
    found: Recipe = recipe["Manifests"][0]
    return found


def script(recipe: Recipe, text: str) -> None:
    manifest(recipe)["Lifecycle"]["install"] = {"Script": text}


def many_artifacts(count: int) -> list[Recipe]:
    """Return artifacts that exceed the limit only after Greengrass adds their digests."""
    return [{"Uri": f"s3://{'b' * 20}/{number}"} for number in range(count)]


def depend(recipe: Recipe, name: str, **rule: str) -> None:
    recipe.setdefault("ComponentDependencies", {})[name] = rule


def twice(recipe: Recipe) -> None:
    manifest(recipe)["Artifacts"] *= 2


BREAKS: list[tuple[str, Callable[[Recipe], object]]] = [
    ("form", lambda one: one.pop("Manifests")),
    ("form", lambda one: one.update(Manifests=[])),
    ("form", lambda one: one.update(manifests=[])),
    ("form", lambda one: one.update(RecipeFormatVersion="2020-01-26")),
    ("form", lambda one: one.update(ComponentName="a/b")),
    ("form", lambda one: one.update(ComponentName="a" * 129)),
    ("form", lambda one: one.update(ComponentVersion="1.0")),
    ("form", lambda one: one.update(ComponentVersion="01.0.0")),
    ("form", lambda one: one.update(ComponentVersion="1.0.0-" + "a" * 60)),
    ("form", lambda one: one.update(ComponentType="aws.greengrass.container")),
    ("form", lambda one: manifest(one)["Platform"].update(os=3)),
    ("form", lambda one: manifest(one)["Artifacts"][0].update(Unarchive="TAR")),
    ("form", lambda one: manifest(one)["Artifacts"][0].update(Uri="https://example.com/a.zip")),
    ("form", lambda one: manifest(one)["Artifacts"][0].update(Permission={"Read": "EVERYBODY"})),
    ("form", lambda one: manifest(one)["Lifecycle"].update(Run="true")),
    ("form", lambda one: manifest(one)["Lifecycle"].update(install={"Setenv": {}})),
    ("form", lambda one: manifest(one)["Lifecycle"].update(Setenv={"A B": "c"})),
    ("form", lambda one: depend(one, "other", DependencyType="SOFT")),
    ("form", lambda one: depend(one, "other", VersionRequirement="*", DependencyType="WEAK")),
    ("size", lambda one: one.update(ComponentDescription="ü" * 8000)),
    ("reserved-name", lambda one: one.update(ComponentName="Aws.greengrass.Mine")),
    ("one-main-step", lambda one: manifest(one)["Lifecycle"].update(run="a", startup="b")),
    ("artifact-names", twice),
    (
        "other-dependencies",
        lambda one: depend(one, one["ComponentName"], VersionRequirement="*"),
    ),
    ("lite-generic-only", lambda one: one.update(ComponentType="aws.greengrass.plugin")),
    ("lite-runtime", lambda one: manifest(one)["Platform"].pop("runtime")),
    ("lite-runtime", lambda one: manifest(one)["Platform"].update(runtime="aws_nucleus_classic")),
    ("lite-no-pattern", lambda one: manifest(one)["Platform"].update(architecture="/amd64|x/")),
    ("lite-version", lambda one: one.update(ComponentVersion="1.0.0-sha256-0123456789abcdef")),
    ("lite-version", lambda one: one.update(ComponentVersion="1.0.0+build")),
    ("lite-version", lambda one: one.update(ComponentVersion="20261201.0.0")),
    ("lite-size", lambda one: one.update(ComponentDescription="ü" * 6000)),
    ("lite-size", lambda one: manifest(one).update(Artifacts=many_artifacts(150))),
    ("lite-unit", lambda one: manifest(one).update(Lifecycle={})),
    ("lite-unit", lambda one: manifest(one).update(Lifecycle={"install": "true"})),
    ("lite-unit", lambda one: manifest(one).update(Lifecycle={"Setenv": {"A": "b"}})),
    (
        "lite-install-timeout",
        lambda one: manifest(one)["Lifecycle"].update(install={"Script": "true", "Timeout": 301}),
    ),
    ("lite-known-steps", lambda one: manifest(one)["Lifecycle"].update(shutdown="true")),
    (
        "lite-no-condition",
        lambda one: manifest(one)["Lifecycle"].update(
            install={"Script": "true", "Skipif": "onpath git"}
        ),
    ),
    ("lite-own-variables", lambda one: script(one, "{model:artifacts:path}/model.zip")),
    ("lite-own-variables", lambda one: script(one, "echo ${HOME}")),
    ("lite-own-variables", lambda one: script(one, "echo {")),
    ("lite-no-dependencies", lambda one: depend(one, "other", VersionRequirement="*")),
    (
        "lite-no-dependencies",
        lambda one: depend(one, "other", VersionRequirement="*", DependencyType="SOFT"),
    ),
]


def test_the_install_step_that_creates_the_runtime_is_for_the_classic_nucleus() -> None:
    """An install step that creates the runtime is valid for the classic nucleus only.

    A small device needs more than the 300 s of nucleus lite.
    """
    recipe = runtime("amd64", installs=True)
    assert {name for name, _ in broken_rules(recipe)} == {"lite-install-timeout"}
    check_recipe(recipe, for_lite=False)


@given(recipe=recipes)
def test_what_this_project_writes_breaks_no_rule(recipe: Recipe) -> None:
    assert list(broken_rules(recipe)) == []


# Each rule needs one example per recipe type, because more examples have the same result.
@pytest.mark.parametrize(("rule", "break_"), BREAKS)
@settings(max_examples=8)
@given(recipe=recipes)
def test_a_broken_recipe_is_refused_by_the_name_of_the_rule(
    recipe: Recipe, rule: str, break_: Callable[[Recipe], object]
) -> None:
    broken = copy.deepcopy(recipe)
    break_(broken)
    assert {name for name, _ in broken_rules(broken)} == {rule}
    with pytest.raises(RecipeError, match=f": {rule}: "):
        check_recipe(broken)


def test_every_rule_has_a_recipe_that_breaks_it() -> None:
    assert {rule for rule, _ in BREAKS} == {*FORM_RULES, *PUBLISHED_RULES, *LITE_RULES}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(recipe=recipes, data=st.data())
def test_anything_anywhere_is_refused_in_words_or_taken(
    recipe: Recipe, data: st.DataObject
) -> None:
    """A recipe with any value in any place is accepted, or rejected with a message."""
    changed = copy.deepcopy(recipe)
    key = data.draw(st.sampled_from(sorted(changed)))
    changed[key] = data.draw(json_values)
    for name, problem in broken_rules(changed):
        assert name in {*FORM_RULES, *PUBLISHED_RULES, *LITE_RULES}
        assert problem
    json.dumps(changed)


def test_a_setting_that_lite_would_read_as_a_variable_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"lite-own-variables: '\{a\}' in 'folder:\{a\}'"):
        check_recipe(inference(camera="folder:{a}"))


def test_a_container_has_memory_for_an_engine_and_the_camera_that_is_named() -> None:
    contained = InferenceConfig.model_validate(
        {"isolation_mode": "GreengrassContainer", "camera": "v4l2:/dev/video2"}
    )
    parameters = linux_process(contained)["containerParams"]
    assert parameters["memorySizeInKB"] >= 1 << 20
    assert parameters["devices"] == [
        {"path": "/dev/video2", "permission": "rw", "addGroupOwner": True}
    ]
    assert linux_process(InferenceConfig()) == {"isolationMode": "NoContainer"}
