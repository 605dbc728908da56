"""The environment files of the checkout, and its paths in messages."""

from pathlib import Path

from deeplens.config import EnvironmentConfig, load_environment
from deeplens.local.emulator import ROOT


def checkout_environment(name: str) -> EnvironmentConfig:
    """Read the environment file of the checkout with this name.

    Raises:
        ConfigError: there is no such file, or it is not valid.
    """
    return load_environment(ROOT / "environments" / f"{name}.toml")


def relative_path(path: Path) -> Path:
    """Return a path relative to the checkout, or unchanged if it is outside of it."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
