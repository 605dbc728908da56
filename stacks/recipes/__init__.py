"""Component recipes: what the published format and nucleus lite take. No CDK here."""

from stacks.recipes.check import broken_rules, check_recipe
from stacks.recipes.errors import RecipeError
from stacks.recipes.job_document import LARGEST_LITE_DOCUMENT_BYTES, check_job_document
from stacks.recipes.nucleus_lite import LITE_RULES
from stacks.recipes.published import FORM_RULES, PUBLISHED_RULES
from stacks.recipes.rules import Recipe
from stacks.recipes.versions import (
    LONGEST_VERSION,
    NUMBER_LIMIT,
    component_version,
    is_three_numbers,
)

__all__ = [
    "FORM_RULES",
    "LARGEST_LITE_DOCUMENT_BYTES",
    "LITE_RULES",
    "LONGEST_VERSION",
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
