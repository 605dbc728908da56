"""What is wrong with a recipe."""

from deeplens.config import ConfigError


class RecipeError(ConfigError):
    """Names the component, each rule that its recipe breaks, and what would work."""
