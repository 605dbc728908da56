"""The emulator rejects component recipes that violate AWS' rules."""

import json
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # no stubs are installed
from hypothesis import given
from hypothesis import strategies as st

from local_aws.errors import ValidationError
from local_aws.services.greengrass.recipes import (
    MAX_RECIPE_BYTES,
    platforms,
    read_recipe,
    write_recipe,
)

ARTIFACT = {"Uri": "s3://bucket/key/model.zip", "Unarchive": "ZIP"}


def _recipe(**changes: Any) -> dict[str, Any]:
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": "deeplens.dev.model.shapes",
        "ComponentVersion": "1.0.0-sha256-0123456789abcdef",
        "Manifests": [{"Platform": {"os": "linux"}, "Artifacts": [ARTIFACT]}],
        **changes,
    }


def _read(**changes: Any) -> dict[str, Any]:
    return read_recipe(json.dumps(_recipe(**changes)).encode())


def test_a_recipe_reads_the_same_from_json_and_yaml_and_back() -> None:
    given_recipe = _recipe()
    read = read_recipe(json.dumps(given_recipe).encode())
    assert read_recipe(yaml.safe_dump(given_recipe).encode()) == read
    for output_format in ("JSON", "YAML"):
        assert read_recipe(write_recipe(read, output_format)) == read
    assert platforms(read) == [{"attributes": {"os": "linux"}}]


def test_keys_are_taken_in_any_case_and_written_in_the_documented_one() -> None:
    lower = {key.lower(): value for key, value in _recipe().items()}
    assert read_recipe(json.dumps(lower).encode()) == _read()


def test_an_artifact_is_not_unpacked_unless_the_recipe_says_so() -> None:
    manifest = {"Artifacts": [{"Uri": "s3://b/k"}]}
    assert _read(Manifests=[manifest])["Manifests"][0]["Artifacts"][0]["Unarchive"] == "NONE"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"RecipeFormatVersion": "2019-01-01"}, "must be '2020-01-25'"),
        ({"ComponentName": "two words"}, "letters, digits"),
        ({"ComponentName": "aws.greengrass.Mine"}, "reserved for AWS"),
        ({"ComponentName": "n" * 129}, "1 to 128"),
        ({"ComponentVersion": "1.0"}, "semantic version"),
        ({"ComponentVersion": "1.0.0-" + "a" * 60}, "at most 64"),
        ({"Manifests": []}, "at least one manifest"),
        ({"Manifests": ["linux"]}, "must be a mapping, not str"),
        ({"Manifest": []}, "'Manifest'"),
        ({"Manifests": [{"Artifacts": [{"Uri": "http://host/a"}]}]}, "s3://bucket/key"),
        (
            {"Manifests": [{"Artifacts": [{**ARTIFACT, "Unarchive": "TAR"}]}]},
            "unpacks ZIP only",
        ),
        (
            {"Manifests": [{"Artifacts": [ARTIFACT, {"Uri": "s3://other/model.zip"}]}]},
            "several artifacts named model.zip",
        ),
        (
            {"Manifests": [{"Artifacts": [{**ARTIFACT, "Permission": {"Read": "SOME"}}]}]},
            "not one of",
        ),
        ({"ComponentDependencies": {"a": {"VersionRequirement": "new"}}}, "npm-style range"),
        (
            {"ComponentDependencies": {"a": {"DependencyType": "FIRM"}}},
            "not HARD or SOFT",
        ),
        ({"ComponentDependencies": ["a"]}, "must map component names"),
    ],
)
def test_a_recipe_that_breaks_a_rule_is_refused_with_the_rule(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        _read(**changes)


def test_a_recipe_has_at_most_16_kilobytes() -> None:
    padding = MAX_RECIPE_BYTES - len(json.dumps(_recipe(ComponentDescription="")))
    _read(ComponentDescription="d" * padding)
    with pytest.raises(ValidationError, match="16385 bytes"):
        _read(ComponentDescription="d" * (padding + 1))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_without_a_crash(content: bytes) -> None:
    with pytest.raises(ValidationError):
        read_recipe(content)
