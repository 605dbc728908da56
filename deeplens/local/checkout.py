"""Environment files of the checkout, and paths relative to the checkout."""

from pathlib import Path

from deeplens.config import EnvironmentConfig, load_environment
from deeplens.local.emulator import ROOT


def checkout_environment(name: str) -> EnvironmentConfig:
    """Read the environment file `name` of the checkout.

    Raises:
        ConfigError: the file is absent or not valid.
    """
    return load_environment(ROOT / "environments" / f"{name}.toml")


def relative_path(path: Path) -> Path:
    """Return a path relative to the checkout; a path outside of the checkout is unchanged."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
