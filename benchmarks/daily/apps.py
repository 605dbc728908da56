"""The application in each of its forms, ready to be synthesized and timed."""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.daily.timing import ROOT, Command

PEERS = ROOT / "benchmarks" / "peers"
NODE = ROOT / ".venv" / "bin" / "node"
CDK = ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
_BENCHMARKS_PYTHON = ROOT / ".venv-benchmarks" / "bin" / "python"


@dataclass(frozen=True)
class Apps:
    """Commands that synthesize the environments of one folder into folders below `outputs`.

    With `delivery`, the project's own application builds the pipeline of that file, too.
    """

    environments: Path
    outputs: Path
    checkout: Path = ROOT
    delivery: Path | None = None

    def default(self) -> Command:
        """Our application as CDK runs it by default: everything validated."""
        return self._python("default", PEERS / "default_app.py")

    def without_validation(self) -> Command:
        """The same without validation and without cdk-nag."""
        return self._python("plain", PEERS / "default_app.py", {"CDK_VALIDATION": "false"})

    def ours(self, *, environment: str | None = None) -> Command:
        """`app.py`, with nothing kept from before."""
        return self._fresh(
            self._python(
                f"ours-{environment or 'all'}",
                self.checkout / "app.py",
                {"CDK_VALIDATION": "false"},
                **({"environment": environment} if environment else {}),
            )
        )

    def kept(self) -> Command:
        """`app.py` with whatever is kept: what `unchanged` finds."""
        return self._python("kept", self.checkout / "app.py", {"CDK_VALIDATION": "false"})

    def unchanged(self) -> Command:
        """`app.py` again, from the same inputs."""
        return self._python("unchanged", self.checkout / "app.py", {"CDK_VALIDATION": "false"})

    def javascript(self, *, validated: bool) -> Command:
        """The equal application in JavaScript."""
        variables = {} if validated else {"CDK_VALIDATION": "false"}
        output = self.outputs / f"javascript-{validated}"
        return Command([NODE, PEERS / "javascript" / "app.js"], self._variables(output) | variables)

    def troposphere(self) -> Command:
        """The equal templates, written with troposphere."""
        output = self.outputs / "troposphere"
        script = PEERS / "troposphere_app.py"
        return Command([_BENCHMARKS_PYTHON, script, output], self._variables(output))

    def _python(
        self, name: str, script: Path, variables: Mapping[str, str] | None = None, **context: str
    ) -> Command:
        about = self._variables(self.outputs / name, **context)
        about["PYTHONPATH"] = str(self.checkout)
        return Command([sys.executable, script], about | dict(variables or {}), self.checkout)

    def _fresh(self, command: Command) -> Command:
        kept = self.checkout / ".local" / "synthesis"
        return Command(command.words, command.variables, command.folder, lambda: _remove(kept))

    def _variables(self, output: Path, **context: str) -> dict[str, str]:
        flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
        whole = {**flags, "environments": str(self.environments), **context}
        if self.delivery:
            whole["delivery"] = str(self.delivery)
        return {
            "CDK_OUTDIR": str(output),
            "CDK_CONTEXT_JSON": json.dumps(whole),
            "ENVIRONMENTS": str(self.environments),
            "JSII_NODE": str(NODE),
        }


def copies_of_dev(folder: Path, count: int) -> Path:
    """Write `count` environments into the new `folder`: dev, each with names of its own."""
    folder.mkdir(parents=True)
    dev = (ROOT / "environments" / "dev.toml").read_text(encoding="utf-8")
    for number in range(count):
        name = "dev" if number == 0 else f"copy{number:03}"
        text = dev.replace("deeplens-dev", f"deeplens-{name}")
        text = text.replace('"deeplens/{thing}/', f'"deeplens/{name}/{{thing}}/')
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return folder


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
