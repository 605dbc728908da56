"""Checking a recipe by rules, each with a name that its refusals carry."""

from collections.abc import Iterator, Mapping

from stacks.recipes.errors import RecipeError
from stacks.recipes.nucleus_lite import LITE_RULES
from stacks.recipes.published import FORM_RULES, PUBLISHED_RULES
from stacks.recipes.rules import Recipe, Rule


def broken_rules(recipe: Recipe, *, for_lite: bool = True) -> Iterator[tuple[str, str]]:
    """Yield the name of each rule that is broken, and how.

    The rules about content apply to recipes that have the published form, and those of nucleus
    lite to recipes that the classic nucleus accepts.

    Args:
        recipe: a complete recipe.
        for_lite: False for a recipe that is deployed to the classic nucleus only.
    """
    for rules in (FORM_RULES, PUBLISHED_RULES, *([LITE_RULES] if for_lite else [])):
        found = list(_broken(rules, recipe))
        if found:
            yield from found
            return


def check_recipe(recipe: Recipe, *, for_lite: bool = True) -> None:
    """Reject a recipe that a Greengrass core would not accept.

    Args:
        recipe: a complete recipe.
        for_lite: False for a recipe that is deployed to the classic nucleus only.

    Raises:
        RecipeError: with one line for each rule that is broken.
    """
    found = list(broken_rules(recipe, for_lite=for_lite))
    if found:
        name = recipe.get("ComponentName", "a recipe without a name")
        raise RecipeError("\n".join(f"{name}: {rule}: {problem}" for rule, problem in found))


def _broken(rules: Mapping[str, Rule], recipe: Recipe) -> Iterator[tuple[str, str]]:
    for name, rule in rules.items():
        for problem in rule(recipe):
            yield name, problem
