"""Every recipe of the committed environments meets the rules of both nuclei."""

import json
from typing import Any

import pytest

from deeplens.assembly import text
from stacks.recipes import broken_rules
from tests.synth.synthesis import ROOT

pytestmark = pytest.mark.process

ENVIRONMENTS = sorted(
    file.stem for file in (ROOT / "environments").glob("*.toml") if file.stem != "delivery"
    and not file.stem.endswith(".cameras")
)  # fmt: skip


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_recipes_of_an_environment_break_no_rule(
    templates: dict[str, Any], environment: str
) -> None:
    recipes = [
        json.loads(text(resource["Properties"]["Recipe"]))
        for resource in templates[f"{environment}-Inference"]["Resources"].values()
        if resource["Type"] == "Custom::GreengrassComponent" and "Recipe" in resource["Properties"]
    ]
    assert recipes
    assert [list(broken_rules(recipe)) for recipe in recipes] == [[]] * len(recipes)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_component_has_a_version_of_three_numbers(
    templates: dict[str, Any], environment: str
) -> None:
    for resource in templates[f"{environment}-Inference"]["Resources"].values():
        if resource["Type"] == "Custom::GreengrassComponent":
            name, _, version = text(resource["Properties"]["Arn"]).rpartition(":versions:")
            assert "-" not in version.rpartition("}")[2], name
