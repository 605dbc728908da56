"""Check the synthesized templates: cdk-nag, the project's own rules, checkov and cfn-lint."""

import json
import subprocess
import sys
from pathlib import Path

import click

from deeplens.config import ConfigError, load_delivery, load_environments
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


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Check the templates in cdk.out: cdk-nag, the project's rules, checkov and cfn-lint.

    Prints every finding. `make synth` writes the templates.

    Exit codes: 0 no finding, 1 a finding, or the templates or a tool are missing, 2 wrong usage or
    input.
    """
    try:
        stacks = read_assembly(ASSEMBLY)
    except FileNotFoundError:
        raise click.ClickException(
            f"{ASSEMBLY}: there are no templates; `make synth` writes them"
        ) from None
    findings = nag_findings(ASSEMBLY / "validation-report.json")
    try:
        own = own_findings(stacks, Request.of(ROOT))
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    files = [stack.file for stack in stacks]
    try:
        scanned = checkov_findings(files)
    except CheckovFailed as error:
        raise click.ClickException(f"checkov: {error}") from None
    for finding in findings + own + scanned:
        click.echo(finding)
    lint = subprocess.run(  # noqa: S603 - the project's own linter
        [Path(sys.executable).with_name("cfn-lint"), "--non-zero-exit-code", "warning", *files],
        check=False,
    )
    click.echo(
        f"{len(stacks)} templates: {len(findings)} cdk-nag findings, "
        f"{len(own)} of the project's own rules, {len(scanned)} of checkov, "
        f"cfn-lint {lint.returncode}"
    )
    if findings or own or scanned or lint.returncode:
        sys.exit(1)


if __name__ == "__main__":
    main()
