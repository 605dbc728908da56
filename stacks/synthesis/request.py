"""What a run of `app.py` is asked for: by the CDK command line, or by hand."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OUTPUT = "CDK_OUTDIR"
_CONTEXT = "CDK_CONTEXT_JSON"


@dataclass(frozen=True)
class Request:
    """One synthesis.

    Attributes:
        root: the checkout.
        output: folder of the cloud assembly.
        context: what cdk.json and `-c KEY=VALUE` say.
        validated: whether CDK's own template validation runs, too; then cdk-nag does as well.
    """

    root: Path
    output: Path
    context: Mapping[str, Any]
    validated: bool

    @classmethod
    def of(cls, root: Path) -> "Request":
        """Read what the CDK command line put into the environment; without it, `cdk.json`.

        The variables are those of CDK's contract between its command line and apps.
        """
        settings = json.loads((root / "cdk.json").read_text(encoding="utf-8"))
        # By hand (`python app.py`) there is no command line that would hand these over.
        os.environ.setdefault(_CONTEXT, json.dumps(settings["context"]))
        os.environ.setdefault(_OUTPUT, str(root / settings["output"]))
        return cls(
            root=root,
            output=Path(os.environ[_OUTPUT]),
            context=json.loads(os.environ[_CONTEXT]),
            validated=os.environ.get("CDK_VALIDATION") != "false",
        )

    @property
    def nag(self) -> bool:
        """Whether cdk-nag runs: with every validation, and with `-c nag=true` without one."""
        return self.validated or self.context.get("nag") in {True, "true"}

    @property
    def environments(self) -> Path:
        """The folder of environment files."""
        return Path(self.context.get("environments") or self.root / "environments")

    @property
    def pipeline(self) -> Path | None:
        """The file that describes the delivery pipeline, if it exists; one environment has none."""
        if self.environment:
            return None
        return Path(self.context.get("delivery") or self.environments.parent / "delivery.toml")

    @property
    def models(self) -> Path:
        """The folder of the artifacts that environment files pin."""
        return self.root / "models"

    @property
    def runtimes(self) -> Path:
        """The folder of the runtime archives that environment files pin."""
        return self.root / ".local" / "runtime"

    @property
    def environment(self) -> str | None:
        """The one environment to build; without it, all and the pipeline."""
        name = self.context.get("environment")
        return str(name) if name else None
