"""Check the synthesized templates: cdk-nag, the project's own rules, checkov and cfn-lint."""

import json
import subprocess
import sys
from pathlib import Path

from stacks.config import ConfigError, load_delivery, load_environments
from stacks.synthesis.request import Request
from tools.assembly import ROOT, SynthesizedStack, read_assembly
from tools.checkov import CheckovFailed, checkov_findings
from tools.policy import findings as policy_findings
from tools.policy.configured import findings as configured_findings
from tools.policy.reading import by_environment

ASSEMBLY = ROOT / "cdk.out"


def nag_findings(report: Path) -> list[str]:
    """Return a line per violation of every policy validation plugin in `report`."""
    return [
        f"{violation['ruleName']}: {construct['constructPath']}: {violation['description']}"
        for plugin in json.loads(report.read_text(encoding="utf-8"))["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]


def own_findings(stacks: list[SynthesizedStack], request: Request) -> list[str]:
    """Return a line per finding of the project's own rules, whatever environments there are.

    Raises:
        ConfigError: an environment file or delivery.toml is not valid.
    """
    grouped = by_environment(stacks)
    environments = load_environments(request.environments)
    delivered = load_delivery(request.pipeline, environments) if request.pipeline else None
    found = [one for environment in grouped.values() for one in policy_findings(environment)]
    found += configured_findings(environments, delivered[0] if delivered else None, grouped)
    return [str(finding) for finding in found]


def main() -> int:
    """Print every finding; return 1 if there is one, 2 if a file of the user is not valid."""
    try:
        stacks = read_assembly(ASSEMBLY)
    except FileNotFoundError:
        print(f"{ASSEMBLY}: no templates; run `make synth` first", file=sys.stderr)
        return 1
    findings = nag_findings(ASSEMBLY / "validation-report.json")
    try:
        own = own_findings(stacks, Request.of(ROOT))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    files = [stack.file for stack in stacks]
    try:
        scanned = checkov_findings(files)
    except CheckovFailed as error:
        print(f"checkov: {error}", file=sys.stderr)
        return 1
    for finding in findings + own + scanned:
        print(finding)
    lint = subprocess.run(  # noqa: S603 - the project's own linter
        [Path(sys.executable).with_name("cfn-lint"), "--non-zero-exit-code", "warning", *files],
        check=False,
    )
    print(
        f"{len(stacks)} templates: {len(findings)} cdk-nag findings, "
        f"{len(own)} of the project's own rules, {len(scanned)} of checkov, "
        f"cfn-lint {lint.returncode}"
    )
    return 1 if findings or own or scanned or lint.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
