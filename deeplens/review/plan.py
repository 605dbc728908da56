"""Write the plan of an environment's deployment, or compare a cloud assembly with a plan.

A plan depends only on the cloud assembly, the environment's file and the price tables, so equal
inputs result in equal bytes. `differences_from_plan` returns each value in which an assembly
differs from a plan.
"""

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from deeplens.assembly import ROOT, AssemblyError, Environment, read_environments
from deeplens.config import ConfigError, load_environment
from deeplens.review import ReviewError, WrongPlanError
from deeplens.review.cost import FLEET_SIZES, compare_cost
from deeplens.review.devices import read_components
from deeplens.review.json_diff import ABSENT, differences, short
from deeplens.review.rollout import compare_rollouts
from deeplens.review.settings import read_settings
from model_tools.output_paths import OutputPath, why_unwritable
from shared.printable import printable

SCHEMA_VERSION = 2
PLANS = ROOT / "build" / "plans"


def make_plan(assembly: Path, environments: Path, name: str) -> dict[str, Any]:
    """Return the plan of an environment.

    Args:
        assembly: the folder of the cloud assembly.
        environments: the folder of the environment files of the assembly.
        name: the environment.

    Raises:
        ReviewError: the assembly cannot be read, or does not contain the environment.
    """
    try:
        by_name = read_environments(assembly)
    except AssemblyError as error:
        raise ReviewError(str(error)) from None
    if name not in by_name:
        raise ReviewError(
            f"{name!r} is not an environment of {assembly}: expected {', '.join(sorted(by_name))}"
        )
    environment, settings = by_name[name], read_settings(environments).get(name)
    cost = compare_cost(environment, environment, 0)
    rollout = compare_rollouts(None, settings, releases=True)
    content = {
        "schema_version": SCHEMA_VERSION,
        "environment": name,
        "account": environment.account,
        "region": environment.region,
        "model": (settings or {}).get("model", {}),
        "settings": settings or {},
        "templates": {
            stack.name: hashlib.sha256(stack.file.read_bytes()).hexdigest()
            for _, stack in sorted(environment.stacks.items())
        },
        "assets": {
            id_: _digest(path) for id_, path in sorted(environment.assets.items()) if path.exists()
        },
        "components": _components(environment),
        "rollout": [dataclasses.asdict(moment) for moment in rollout.after] if rollout else [],
        "cost_a_month": {
            str(size): str(amount)
            for size, amount in zip(FLEET_SIZES, cost.lines[-1].after, strict=True)
        },
    }
    return {**content, "id": plan_id(content)}


def plan_id(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a plan without its id."""
    identified = {key: value for key, value in content.items() if key != "id"}
    return hashlib.sha256(json.dumps(identified, sort_keys=True).encode()).hexdigest()


def read_plan(file: Path) -> dict[str, Any]:
    """Read a plan and check its id.

    Raises:
        WrongPlanError: the plan cannot be read, has another schema version, or was changed.
    """
    try:
        plan = json.loads(file.read_text(encoding="utf-8-sig"))
        actual_id, expected_id = plan_id(plan), plan["id"]
    except OSError as error:
        raise WrongPlanError(
            f"{file}: {error.strerror}; `deeplens env plan … --synthesize` writes one"
        ) from None
    except (ValueError, KeyError, AttributeError):
        raise WrongPlanError(
            f"{file} is not a plan; `deeplens env plan … --synthesize` writes one"
        ) from None
    if plan.get("schema_version") != SCHEMA_VERSION:
        given = plan.get("schema_version")
        raise WrongPlanError(
            f"{file}: expected schema_version {SCHEMA_VERSION}; got {given}; "
            "write it again with `deeplens env plan … --synthesize`"
        )
    if actual_id != expected_id:
        raise WrongPlanError(
            f"{file} was changed after it was written; write it again with "
            "`deeplens env plan … --synthesize`"
        )
    return dict(plan)


def differences_from_plan(planned: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return a line for each value in which `now` differs from the plan."""
    # The model is excluded, because the settings contain it.
    before, after = ({**plan, "id": "", "model": {}} for plan in (planned, now))
    changes = [
        (change.path, f"planned {_value(change.before)}, now {_value(change.after)}")
        for change in differences(before, after)
    ]
    # Settings are listed first, because they explain the changed hashes.
    settings = [
        f"{'.'.join(path[1:])}: {values}" for path, values in changes if path[0] == "settings"
    ]
    return settings + [
        f"{'.'.join(path)}: {values}" for path, values in changes if path[0] != "settings"
    ]


def _components(environment: Environment) -> dict[str, dict[str, str]]:
    """Return the version of each component, and the hash of its deployed configuration."""
    return {
        name: {
            "version": component.version,
            "content": hashlib.sha256(component.content.encode()).hexdigest(),
        }
        for name, component in sorted(read_components(environment).items())
    }


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents in a folder."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    total = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            total.update(f"{file.relative_to(path).as_posix()} {content}\n".encode())
    return total.hexdigest()


def _value(value: Any) -> str:
    return "nothing" if value is ABSENT else short(value)


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  deeplens env plan dev --synthesize\n"
    "  deeplens env plan dev --check build/plans/dev.json",
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
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the plan, or with --check the differences, as JSON.",
)
def main(  # noqa: PLR0913 - one parameter for each option
    environment: str,
    assembly: Path,
    environments: Path,
    output: Path | None,
    planned: Path | None,
    *,
    synthesize: bool,
    as_json: bool,
) -> None:
    """Write the plan of a deployment, or compare it with an assembly.

    Exit codes: 0 written, or equal to the plan; 1 the assembly differs from the plan, or cannot be
    read; 2 wrong usage or input.
    """
    # Report wrong input before the synthesis, which takes half a minute.
    _check_environment(environments, environment, is_content_checked=synthesize)
    before = None if planned is None else read_plan(planned)
    if synthesize:
        _synthesize(assembly)
    now = make_plan(assembly, environments, environment)
    if before is not None:
        lines = differences_from_plan(before, now)
        if as_json:
            click.echo(json.dumps({"plan": before["id"], "differences": lines}, indent=2))
            sys.exit(1 if lines else 0)
        if lines:
            shown = "\n  ".join(lines)
            raise click.ClickException(
                printable(
                    f"the assembly differs from the plan:\n  {shown}\nnothing was deployed",
                    lines=True,
                )
            )
        click.echo(f"equal to the plan {now['id'][:12]}…")
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


def _check_environment(environments: Path, name: str, *, is_content_checked: bool) -> None:
    """Check that the environment's file exists and, if `is_content_checked`, that it is valid.

    Raises:
        ConfigError: the file does not exist or is not valid.
    """
    file = environments / f"{name}.toml"
    if is_content_checked:
        load_environment(file)
    elif not file.is_file():
        names = ", ".join(sorted(other.stem for other in environments.glob("*.toml")))
        raise ConfigError(f"{file} does not exist; the environments are: {names or 'none'}")


def _synthesize(assembly: Path) -> None:
    command: list[str | Path] = [
        ROOT / ".venv" / "bin" / "cdk",
        "synth",
        "--quiet",
        f"--output={assembly}",
    ]
    result = subprocess.run(  # noqa: S603 - the pinned CDK CLI
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if result.returncode:
        output = (result.stderr or result.stdout).strip()
        raise click.ClickException(f"`cdk synth` failed:\n{output}")


def _summary(plan: dict[str, Any], file: Path) -> Iterator[str]:
    """Yield the lines of a summary of the plan; only the file contains every hash."""
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
    yield f"next: deeplens local deploy {name} --plan {shown}"
    yield f"what changes: deeplens local diff {name} (on the emulator), deeplens review main"
