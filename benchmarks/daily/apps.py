"""Commands that synthesize each variant of the application."""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.daily.timing import ROOT, Command

PEERS = ROOT / "benchmarks" / "peers"
NODE = ROOT / ".venv" / "bin" / "node"
CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"

_NOT_VALIDATED = {"CDK_VALIDATION": "false"}


@dataclass(frozen=True)
class Apps:
    """Commands that synthesize the environments of one folder into folders below `outputs`.

    If `delivery` is given, the project's application includes the pipeline of that file.
    """

    environments: Path
    outputs: Path
    checkout: Path = ROOT
    delivery: Path | None = None

    def default(self) -> Command:
        """Return the command for the application with CDK's defaults, including validation."""
        return self._python("default", PEERS / "default_app.py", {})

    def without_validation(self) -> Command:
        """Return the command for the default application without validation and cdk-nag."""
        return self._python("plain", PEERS / "default_app.py", _NOT_VALIDATED)

    def cold(self, *, environment: str | None = None) -> Command:
        """Return the command for `app.py` with an empty cache, for all environments or one."""
        context = {"environment": environment} if environment else {}
        command = self._app(f"cold-{environment or 'all'}", **context)
        cache = self.checkout / ".local" / "synthesis"
        return replace(command, before=lambda: shutil.rmtree(cache, ignore_errors=True))

    def cached(self, name: str) -> Command:
        """Return the command for `app.py` with the existing cache and the output folder `name`."""
        return self._app(name)

    def peer(self) -> Command:
        """Return the command with which this project synthesizes the peer's stack."""
        return self._python("peer", PEERS / "monitoring_app.py", _NOT_VALIDATED)

    def javascript(self, *, validated: bool) -> Command:
        """Return the command for the peer's stack in JavaScript, with or without validation."""
        variables = self._variables(self.outputs / f"javascript-{validated}")
        if not validated:
            variables |= _NOT_VALIDATED
        return Command([NODE, PEERS / "javascript" / "app.js"], variables)

    def _app(self, name: str, **context: str) -> Command:
        return self._python(name, self.checkout / "app.py", _NOT_VALIDATED, **context)

    def _python(
        self, name: str, script: Path, variables: Mapping[str, str], **context: str
    ) -> Command:
        all_variables = {
            **self._variables(self.outputs / name, **context),
            "PYTHONPATH": str(self.checkout),
            **variables,
        }
        return Command([sys.executable, script], all_variables, self.checkout)

    def _variables(self, output: Path, **context: str) -> dict[str, str]:
        flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
        context = {**flags, "environments": str(self.environments), **context}
        if self.delivery:
            context["delivery"] = str(self.delivery)
        return {
            "CDK_OUTDIR": str(output),
            "CDK_CONTEXT_JSON": json.dumps(context),
            "ENVIRONMENTS": str(self.environments),
            "JSII_NODE": str(NODE),
        }


def copies_of_dev(folder: Path, count: int) -> Path:
    """Write dev and `count` - 1 renamed copies into the new `folder`, and return the folder."""
    folder.mkdir(parents=True)
    dev = (ROOT / "environments" / "dev.toml").read_text(encoding="utf-8")
    for number in range(count):
        name = "dev" if number == 0 else f"copy{number:03}"
        text = dev.replace("deeplens-dev", f"deeplens-{name}")
        text = text.replace('"deeplens/{thing}/', f'"deeplens/{name}/{{thing}}/')
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder
