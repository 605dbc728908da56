"""The base of all sections of an environment file, and the error of a file that is not valid."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

# The retention periods of CloudWatch Logs in days, up to two years.
LogRetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731]


class ConfigError(Exception):
    """Raised if an environment file, delivery.toml, or a pinned file is absent or not valid.

    Each line of the message describes one problem and, if possible, the values that work.
    """


class ConfigSection(BaseModel):
    """An immutable section of a TOML file that rejects unknown keys and values of wrong types."""

    # The validators of sections are built on first use, because the environment's validator
    # includes most sections.
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, strict=True)
