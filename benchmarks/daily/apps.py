"""The application in each of its forms, ready to be synthesized and timed."""

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
            self._app(
                f"ours-{environment or 'all'}",
                **({"environment": environment} if environment else {}),
            )
        )

    def kept(self) -> Command:
        """`app.py` with whatever is kept: what `unchanged` finds."""
        return self._app("kept")

    def unchanged(self) -> Command:
        """`app.py` again, from the same inputs."""
        return self._app("unchanged")

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

    def _app(self, name: str, **context: str) -> Command:
        """Run `app.py` with the options that cdk.json gives to Python, and without validation."""
        command = self._python(
            name, self.checkout / "app.py", {"CDK_VALIDATION": "false"}, **context
        )
        settings = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))
        _, *options, _ = settings["app"].split()
        python, script = command.words
        return replace(command, words=[python, *options, script])

    def _python(
        self, name: str, script: Path, variables: Mapping[str, str] | None = None, **context: str
    ) -> Command:
        about = self._variables(self.outputs / name, **context)
        about["PYTHONPATH"] = str(self.checkout)
        return Command([sys.executable, script], about | dict(variables or {}), self.checkout)

    def _fresh(self, command: Command) -> Command:
        kept = self.checkout / ".local" / "synthesis"
        return replace(command, before=lambda: _remove(kept))

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
