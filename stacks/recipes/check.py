"""Checking a recipe by rules, each with a name that its refusals carry."""

from collections.abc import Iterator, Mapping

from stacks.recipes.errors import RecipeError
from stacks.recipes.lite import LITE_RULES
from stacks.recipes.published import FORM_RULES, PUBLISHED_RULES
from stacks.recipes.rules import Recipe, Rule


def broken_rules(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Yield the name of each rule that is broken, and how.

    Only of a recipe that has the published form the other rules are asked, and those of nucleus
    lite only of one that the classic nucleus takes.
    """
    for rules in (FORM_RULES, PUBLISHED_RULES, LITE_RULES):
        found = list(_broken(rules, recipe))
        if found:
            yield from found
            return


def check_recipe(recipe: Recipe) -> None:
    """Refuse a recipe that a Greengrass core, classic or lite, would not take.

    Raises:
        RecipeError: with one line for each rule that is broken.
    """
    found = list(broken_rules(recipe))
    if found:
        name = recipe.get("ComponentName", "a recipe without a name")
        raise RecipeError("\n".join(f"{name}: {rule}: {problem}" for rule, problem in found))


def _broken(rules: Mapping[str, Rule], recipe: Recipe) -> Iterator[tuple[str, str]]:
    for name, rule in rules.items():
        for problem in rule(recipe):
            yield name, problem
