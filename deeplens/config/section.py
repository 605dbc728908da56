"""What every section of an environment file has in common."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

# The periods that CloudWatch Logs knows, up to two years.
LogRetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731]


class Section(BaseModel):
    """Unknown keys and values of the wrong type are refused; nothing changes after reading."""

    # A validator is built when it is first used: most sections are read within a whole environment.
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, strict=True)
