"""Checks of component recipes for the published format and for nucleus lite, without CDK.

Each rule has a name, which its error messages contain.
"""

from collections.abc import Iterator, Mapping

from stacks.recipes.nucleus_lite import (
    LITE_RULES,
    MAX_LITE_DOCUMENT_BYTES,
    check_job_document,
)
from stacks.recipes.published import (
    FORM_RULES,
    LONGEST_VERSION,
    NUMBER_LIMIT,
    PUBLISHED_RULES,
    Recipe,
    RecipeError,
    Rule,
    component_version,
    is_three_numbers,
)

__all__ = [
    "FORM_RULES",
    "LITE_RULES",
    "LONGEST_VERSION",
    "MAX_LITE_DOCUMENT_BYTES",
    "NUMBER_LIMIT",
    "PUBLISHED_RULES",
    "Recipe",
    "RecipeError",
    "broken_rules",
    "check_job_document",
    "check_recipe",
    "component_version",
    "is_three_numbers",
]


def broken_rules(recipe: Recipe, *, for_lite: bool = True) -> Iterator[tuple[str, str]]:
    """Yield the name and the problem of each broken rule.

    The rules are in three sets: form, content, and nucleus lite. If a recipe breaks a rule of a
    set, the following sets are skipped.

    Args:
        recipe: a complete recipe.
        for_lite: False for a recipe that is deployed to the classic nucleus only.
    """
    for rules in (FORM_RULES, PUBLISHED_RULES, *([LITE_RULES] if for_lite else [])):
        broken = list(_broken(rules, recipe))
        if broken:
            yield from broken
            return


def check_recipe(recipe: Recipe, *, for_lite: bool = True) -> None:
    """Reject a recipe that a Greengrass core would not accept.

    Args:
        recipe: a complete recipe.
        for_lite: False for a recipe that is deployed to the classic nucleus only.

    Raises:
        RecipeError: the recipe breaks a rule; the message has one line for each broken rule.
    """
    broken = list(broken_rules(recipe, for_lite=for_lite))
    if broken:
        name = recipe.get("ComponentName", "a recipe without a name")
        raise RecipeError("\n".join(f"{name}: {rule}: {problem}" for rule, problem in broken))


def _broken(rules: Mapping[str, Rule], recipe: Recipe) -> Iterator[tuple[str, str]]:
    for name, rule in rules.items():
        for problem in rule(recipe):
            yield name, problem
