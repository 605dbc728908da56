"""What is wrong with a recipe."""

from stacks.config import ConfigError


class RecipeError(ConfigError):
    """Names the component, each rule that its recipe breaks, and what would work."""
