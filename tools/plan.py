"""A plan of one environment's deploy, and whether what was synthesized still is that plan.

`python -m tools.plan dev` writes build/plans/dev.json from cdk.out; `--check FILE` compares.
Exit codes: 0 written or the same, 1 something differs or cannot be read, 2 wrong usage.
"""

import json
import sys
from pathlib import Path

import click

from model_tools.output_paths import OutputPath, why_unwritable
from review import ReviewError
from review.plan import make_plan, read_plan, unlike
from tools.assembly import ROOT

PLANS = ROOT / "build" / "plans"


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("environment")
@click.option("--assembly", type=click.Path(path_type=Path), default=ROOT / "cdk.out")
@click.option("--environments", type=click.Path(path_type=Path), default=ROOT / "environments")
@click.option("--output", type=OutputPath(), help="Instead of build/plans.")
@click.option("--check", "planned", type=click.Path(path_type=Path), help="Compare with this plan.")
def main(
    environment: str,
    assembly: Path,
    environments: Path,
    output: Path | None,
    planned: Path | None,
) -> None:
    """Write a plan, or hold the assembly to one."""
    try:
        now = make_plan(assembly, environments, environment)
        if planned is not None:
            lines = unlike(read_plan(planned), now)
            if lines:
                shown = "\n  ".join(lines)
                click.echo(f"not what was planned:\n  {shown}\nnothing was deployed", err=True)
                sys.exit(1)
            click.echo(f"as planned: {now['id'][:12]}…")
            return
    except ReviewError as error:
        raise click.ClickException(str(error)) from None
    file = output or PLANS / f"{environment}.json"
    if problem := why_unwritable(file, free_mib=1):
        raise click.ClickException(problem)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(now, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    click.echo(f"{file}: plan {now['id'][:12]}… of {environment}")
    click.echo(f"  model {now['model'].get('name')} {str(now['model'].get('digest'))[:12]}…")
    for name, digest in now["templates"].items():
        click.echo(f"  {name} {digest[:12]}…")


if __name__ == "__main__":
    main()
