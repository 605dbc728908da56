"""Write the plan of an environment's deploy, or compare an assembly with a plan."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from deeplens.config import ConfigError, load_environment
from model_tools.output_paths import OutputPath, why_unwritable
from review import ReviewError
from review.plan import make_plan, read_plan, unlike
from shared.printable import printable
from tools.assembly import ROOT

PLANS = ROOT / "build" / "plans"


class _WrongInput(click.ClickException):
    exit_code = 2


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  python -m tools.plan dev --synthesize\n"
    "  python -m tools.plan dev --check build/plans/dev.json",
)
@click.argument("environment")
@click.option(
    "--assembly",
    type=click.Path(path_type=Path),
    default=ROOT / "cdk.out",
    show_default="cdk.out",
    help="Folder of the cloud assembly.",
)
@click.option(
    "--environments",
    type=click.Path(path_type=Path),
    default=ROOT / "environments",
    show_default="environments",
    help="Folder of the environment files.",
)
@click.option(
    "--output",
    type=OutputPath(),
    help="File for the plan.  [default: build/plans/ENVIRONMENT.json]",
)
@click.option(
    "--check",
    "planned",
    type=click.Path(path_type=Path),
    help="Compare the assembly with this plan instead of writing one.",
)
@click.option(
    "--synthesize", is_flag=True, help="Run `cdk synth` first, with the files of `environments`."
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def main(  # noqa: PLR0913 - one parameter per option
    environment: str,
    assembly: Path,
    environments: Path,
    output: Path | None,
    planned: Path | None,
    *,
    synthesize: bool,
    as_json: bool,
) -> None:
    """Write the plan of ENVIRONMENT's deploy, or compare an assembly with a plan.

    Exit codes: 0 written, or as planned; 1 the assembly differs from the plan, or cannot be read; 2
    wrong usage or input.
    """
    # Before the synthesis, which takes half a minute.
    try:
        _check_environment(environments, environment, whole=synthesize)
        before = None if planned is None else read_plan(planned)
    except (ConfigError, ReviewError) as error:
        raise _WrongInput(printable(str(error), lines=True)) from None
    if synthesize:
        _synthesize(assembly)
    try:
        now = make_plan(assembly, environments, environment)
    except ReviewError as error:
        raise click.ClickException(printable(str(error), lines=True)) from None
    if before is not None:
        lines = unlike(before, now)
        if lines:
            shown = "\n  ".join(lines)
            raise click.ClickException(
                printable(f"not what was planned:\n  {shown}\nnothing was deployed", lines=True)
            )
        click.echo(f"as planned: {now['id'][:12]}…")
        return
    file = output or PLANS / f"{environment}.json"
    if problem := why_unwritable(file, free_mib=1):
        raise click.ClickException(problem)
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(now, indent=2, sort_keys=True)
    file.write_text(text + "\n", encoding="utf-8")
    if as_json:
        click.echo(text)
        return
    for line in _summary(now, file):
        click.echo(line)


def _check_environment(environments: Path, name: str, *, whole: bool) -> None:
    """Check that there is the environment's file, and with `whole` its content.

    Raises:
        ConfigError: there is no such file, or it is not valid.
    """
    file = environments / f"{name}.toml"
    if whole:
        load_environment(file)
    elif not file.is_file():
        known = ", ".join(sorted(other.stem for other in environments.glob("*.toml")))
        raise ConfigError(f"{file}: no such environment; there are: {known or 'none'}")


def _synthesize(assembly: Path) -> None:
    command: list[str | Path] = [
        ROOT / ".venv" / "bin" / "cdk",
        "synth",
        "--quiet",
        f"--output={assembly}",
    ]
    result = subprocess.run(  # noqa: S603 - the pinned CDK command line
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if result.returncode:
        said = (result.stderr or result.stdout).strip()
        raise click.ClickException(f"`cdk synth` failed:\n{said}")


def _summary(plan: dict[str, Any], file: Path) -> Iterator[str]:
    """Yield what a person reads before a deploy; the file contains every hash."""
    name = plan["environment"]
    model = plan["model"]
    shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
    yield f"{shown}: plan {plan['id'][:12]}… of {name} ({plan['account']}, {plan['region']})"
    yield f"  model    {model.get('name')} {str(model.get('digest'))[:12]}…"
    yield f"  stacks   {', '.join(plan['templates'])}"
    for moment in plan["rollout"]:
        yield f"  rollout  after {moment['at_seconds']} s: {moment['what']}"
    costs = ", ".join(
        f"{size} {'camera' if size == '1' else 'cameras'}: ${cost}"
        for size, cost in plan["cost_a_month"].items()
    )
    yield f"  cost     a month, estimated: {costs}"
    yield f"next: make deploy ENV={name} PLAN={shown}"
    yield f"what changes: make diff ENV={name} (on the emulator), make review BASE=main"


if __name__ == "__main__":
    main()
