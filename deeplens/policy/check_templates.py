"""Check the synthesized templates with cdk-nag, the project's own rules, checkov and cfn-lint."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click

from deeplens.assembly import ROOT, Stack, by_environment, read_assembly
from deeplens.config import ConfigError, load_delivery, load_environments
from deeplens.policy import configured, violations
from deeplens.policy.checkov import CheckovError, checkov_findings

ASSEMBLY = ROOT / "cdk.out"


def nag_findings(report: Path) -> list[str]:
    """Return a line for each violating construct in the report of the policy validation plugins."""
    return [
        f"{violation['ruleName']}: {construct['constructPath']}: {violation['description']}"
        for plugin in json.loads(report.read_text(encoding="utf-8"))["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]


def project_findings(
    stacks: list[Stack], environment_files: Path, delivery_file: Path | None
) -> list[str]:
    """Return a line for each violation of the project's own rules.

    Args:
        stacks: the stacks of the assembly, of one or more environments.
        environment_files: the folder of the environment files of the synthesis.
        delivery_file: the delivery file, or None if there is no pipeline.

    Raises:
        ConfigError: an environment file or delivery.toml is not valid.
    """
    grouped = by_environment(stacks)
    environments = load_environments(environment_files)
    delivery = load_delivery(delivery_file, environments) if delivery_file else None
    of_templates = [
        violation for environment in grouped.values() for violation in violations(environment)
    ]
    of_files = configured.violations(environments, delivery[0] if delivery else None, grouped)
    return [str(violation) for violation in of_templates + of_files]


def _inputs() -> tuple[Path, Path | None]:
    """Return the folder of environment files and the delivery file of the synthesis.

    The paths are from the app's context, or are the project's defaults. The delivery file is None
    if only one environment is synthesized. The CDK CLI passes the context in the environment
    variable CDK_CONTEXT_JSON; without this variable, the context in cdk.json applies.
    """
    settings = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))
    context = json.loads(os.environ.get("CDK_CONTEXT_JSON", "null")) or settings["context"]
    environment_files = Path(context.get("environments") or ROOT / "environments")
    if context.get("environment"):
        return environment_files, None
    return environment_files, Path(
        context.get("delivery") or environment_files.parent / "delivery.toml"
    )


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Check the templates in cdk.out with cdk-nag, the project's rules, checkov and cfn-lint.

    Prints every finding. `make synth` writes the templates.

    Exit codes: 0 no finding; 1 a finding, or templates or a tool are missing; 2 wrong usage or
    input.
    """
    try:
        stacks = read_assembly(ASSEMBLY)
    except FileNotFoundError:
        raise click.ClickException(
            f"{ASSEMBLY} contains no templates; `make synth` writes them"
        ) from None
    findings = nag_findings(ASSEMBLY / "validation-report.json")
    try:
        project = project_findings(stacks, *_inputs())
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    files = [stack.file for stack in stacks]
    try:
        scanned = checkov_findings(files)
    except CheckovError as error:
        raise click.ClickException(f"checkov: {error}") from None
    for finding in findings + project + scanned:
        click.echo(finding)
    lint = subprocess.run(  # noqa: S603 - a linter of this project
        [Path(sys.executable).with_name("cfn-lint"), "--non-zero-exit-code", "warning", *files],
        check=False,
    )
    click.echo(
        f"{len(stacks)} templates: {len(findings)} cdk-nag findings, "
        f"{len(project)} of the project's own rules, {len(scanned)} of checkov, "
        f"cfn-lint {lint.returncode}"
    )
    if findings or project or scanned or lint.returncode:
        sys.exit(1)


if __name__ == "__main__":
    main()
