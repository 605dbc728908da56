"""Component recipes: what the published format and nucleus lite take. No CDK here."""

from stacks.recipes.check import broken_rules, check_recipe
from stacks.recipes.errors import RecipeError
from stacks.recipes.lite import LITE_RULES
from stacks.recipes.published import FORM_RULES, PUBLISHED_RULES
from stacks.recipes.rules import Recipe

__all__ = [
    "FORM_RULES",
    "LITE_RULES",
    "PUBLISHED_RULES",
    "Recipe",
    "RecipeError",
    "broken_rules",
    "check_recipe",
]
