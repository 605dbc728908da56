"""What a deploy of one environment would be, as a document that a later deploy is held to.

A plan is made from the cloud assembly and the environment's file alone: the same give the same
bytes. `unlike` names everything in which an assembly is not what was planned.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from deeplens.assembly import AssemblyError, Environment, read_environments
from deeplens.review import ReviewError
from deeplens.review.cost import FLEET_SIZES, compare_cost
from deeplens.review.devices import read_components
from deeplens.review.json_diff import ABSENT, differences, short
from deeplens.review.rollout import compare_rollouts
from deeplens.review.settings import read_settings

SCHEMA_VERSION = 2


def make_plan(assembly: Path, environments: Path, name: str) -> dict[str, Any]:
    """Return the plan of an environment.

    Args:
        assembly: folder of the cloud assembly.
        environments: folder of the environment files that it was made from.
        name: the environment.

    Raises:
        ReviewError: the assembly cannot be read, or has no such environment.
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
    """SHA-256 of a plan without its id."""
    said = {key: value for key, value in content.items() if key != "id"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def read_plan(file: Path) -> dict[str, Any]:
    """Read a plan and check that it is whole.

    Raises:
        ReviewError: it cannot be read, is of another schema, or was changed.
    """
    try:
        plan = json.loads(file.read_text(encoding="utf-8-sig"))
        found, said = plan_id(plan), plan["id"]
    except OSError as error:
        raise ReviewError(f"{file}: {error.strerror}; `make plan ENV=…` writes one") from None
    except (ValueError, KeyError, AttributeError):
        raise ReviewError(f"{file}: not a plan; `make plan ENV=…` writes one") from None
    if plan.get("schema_version") != SCHEMA_VERSION:
        given = plan.get("schema_version")
        raise ReviewError(
            f"{file}: schema_version {given}, this reads {SCHEMA_VERSION}; plan again"
        )
    if found != said:
        raise ReviewError(f"{file}: was changed after it was made; plan again")
    return dict(plan)


def unlike(planned: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return a line for each value in which `now` is not as planned; none when it is."""
    # The model is one of the settings.
    before, after = ({**plan, "id": "", "model": {}} for plan in (planned, now))
    found = [
        (one.path, f"planned {_value(one.before)}, now {_value(one.after)}")
        for one in differences(before, after)
    ]
    # A setting explains the hashes that it changes.
    settings = [
        f"{'.'.join(path[1:])}: {values}" for path, values in found if path[0] == "settings"
    ]
    return settings + [
        f"{'.'.join(path)}: {values}" for path, values in found if path[0] != "settings"
    ]


def _components(environment: Environment) -> dict[str, dict[str, str]]:
    """Return each component's version, and a hash of the configuration that cameras get."""
    return {
        name: {
            "version": one.version,
            "content": hashlib.sha256(one.content.encode()).hexdigest(),
        }
        for name, one in sorted(read_components(environment).items())
    }


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder."""
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
