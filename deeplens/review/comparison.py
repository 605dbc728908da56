"""Comparison of two cloud assemblies, with a `Review` as the result."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deeplens.assembly import Environment, Stack, environments_id, read_environments
from deeplens.review.access import AccessChange, compare_access
from deeplens.review.blocked_updates import blocked_updates
from deeplens.review.cost import Cost, compare_cost
from deeplens.review.devices import DeviceChange, compare_devices
from deeplens.review.findings import ToolFinding
from deeplens.review.model_card import CardLine, compare_models
from deeplens.review.policies import read_policies
from deeplens.review.resource_text import PropertyChange
from deeplens.review.resources import ResourceChange, compare_resources
from deeplens.review.rollout import RolloutComparison, compare_rollouts
from deeplens.review.settings import compare_settings, read_settings


@dataclass(frozen=True)
class Source:
    """One side of a review.

    Attributes:
        assembly: folder of the cloud assembly.
        environments: folder of the environment files.
        findings: the findings of the tools in the assembly.
    """

    assembly: Path
    environments: Path
    findings: frozenset[ToolFinding]


@dataclass(frozen=True)
class EnvironmentReview:
    """The effect of the change on one environment.

    Attributes:
        new: true if all resources are new: BASE does not contain the environment, or contains it
            with another account or Region.
        alarms: the effects that require attention, one sentence each.
        notes: other effects on the environment itself.
        rollout: the steps of the rollout; None if no component changes and the rollout plan is
            equal, or if the plan of the working tree cannot be read.
    """

    name: str
    account: str
    region: str
    new: bool
    alarms: tuple[str, ...]
    notes: tuple[str, ...]
    settings: tuple[PropertyChange, ...]
    resources: tuple[ResourceChange, ...]
    access: tuple[AccessChange, ...]
    devices: DeviceChange
    rollout: RolloutComparison | None
    model: tuple[CardLine, ...]
    cost: Cost

    @property
    def changed(self) -> bool:
        """True if the two sides differ."""
        return bool(
            self.alarms
            or self.notes
            or self.settings
            or self.resources
            or self.access
            or self.model
            or self.devices.components
        )


@dataclass(frozen=True)
class Findings:
    """Findings of the tools: only in the change, only in BASE, and in both."""

    new: tuple[ToolFinding, ...]
    gone: tuple[ToolFinding, ...]
    remaining: tuple[ToolFinding, ...]


@dataclass(frozen=True)
class Review:
    """The effect on each environment and the findings, independent of time, machine and paths.

    Attributes:
        assembly_id: `environments_id` of the working tree; empty without an assembly.
    """

    environments: tuple[EnvironmentReview, ...]
    findings: Findings
    assembly_id: str = ""


def compare(before: Source, after: Source) -> Review:
    """Return the review of two cloud assemblies.

    Raises:
        AssemblyError: a folder cannot be read as a cloud assembly.
    """
    old, new = read_environments(before.assembly), read_environments(after.assembly)
    files = read_settings(before.environments), read_settings(after.environments)
    names = sorted(old.keys() | new.keys(), key=lambda name: (_order(name), name))
    return Review(
        environments=tuple(
            compare_environment(old.get(name), new.get(name), *_settings(files, name))
            for name in names
        ),
        findings=Findings(
            new=tuple(sorted(after.findings - before.findings)),
            gone=tuple(sorted(before.findings - after.findings)),
            remaining=tuple(sorted(before.findings & after.findings)),
        ),
        assembly_id=environments_id(after.assembly),
    )


def compare_environment(
    before: Environment | None,
    after: Environment | None,
    settings_before: dict[str, Any] | None = None,
    settings_after: dict[str, Any] | None = None,
) -> EnvironmentReview:
    """Return the review of one environment, which may be missing on one of the two sides.

    Raises:
        ValueError: the environment is missing on both sides.
    """
    environment = after or before
    if environment is None:
        raise ValueError("the environment is missing on both sides")
    empty = Environment(environment.name, environment.account, environment.region, {}, {})
    notes, alarms = [], []
    if before is None:
        notes.append(f"The environment {environment.name} and all of its resources are new.")
    if after is None:
        alarms.append(
            f"THE ENVIRONMENT IS REMOVED FROM THE APP: `cdk deploy` deletes no stack of "
            f"{environment.name}. Its stacks remain in the account and cost money until someone "
            "deletes them."
        )
    if before and after and _aws_environment(before) != _aws_environment(after):
        alarms.append(
            f"THE ACCOUNT OR REGION CHANGES from {_aws_environment(before)} to "
            f"{_aws_environment(after)}: all resources are created there, and the previous ones "
            "remain, unmanaged."
        )
        before = None
    for sentence, is_alarm in _stacks(before, after) if before and after else ():
        (alarms if is_alarm else notes).append(sentence)
    old, new = _deployed(before, after) or empty, after or empty
    resources, replaced = compare_resources(old, new)
    alarms += blocked_updates(old, new, replaced)
    alarms += [f"{change.stack}: {change.alarm}" for change in resources if change.alarm]
    access = compare_access(read_policies(old), read_policies(new)) if after else []
    devices = compare_devices(old, new) if after else DeviceChange()
    alarms += devices.alarms
    return EnvironmentReview(
        name=environment.name,
        account=environment.account,
        region=environment.region,
        new=before is None,
        alarms=tuple(alarms),
        notes=tuple(notes),
        settings=compare_settings(settings_before, settings_after),
        resources=tuple(resources),
        access=tuple(access),
        devices=devices,
        rollout=compare_rollouts(
            settings_before, settings_after, releases=bool(devices.components)
        ),
        model=compare_models(old, new) if after else (),
        cost=compare_cost(old, new, devices.download_bytes),
    )


def _order(name: str) -> int:
    """Return the position of an environment in the review: dev first, production last."""
    return {"dev": 0, "production": 2}.get(name, 1)


def _settings(
    files: tuple[Mapping[str, dict[str, Any]], Mapping[str, dict[str, Any]]], name: str
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    return files[0].get(name), files[1].get(name)


def _deployed(before: Environment | None, after: Environment | None) -> Environment | None:
    """Return `before` without the stacks whose name changes, because these are not updated."""
    if before is None or after is None:
        return before
    stacks = {
        title: stack
        for title, stack in before.stacks.items()
        if title not in after.stacks or after.stacks[title].name == stack.name
    }
    return replace(before, stacks=stacks)


def _aws_environment(environment: Environment) -> str:
    return f"{environment.account}/{environment.region}"


def _stacks(before: Environment, after: Environment) -> list[tuple[str, bool]]:
    """Return sentences about stacks and their protection, each with true if it is an alarm."""
    sentences = []
    for title in sorted(before.stacks.keys() | after.stacks.keys()):
        old, new = before.stacks.get(title), after.stacks.get(title)
        if old is None and new is not None:
            sentences.append((f"The stack {new.name} is new.", False))
        elif old is not None and new is None:
            sentences.append((_orphaned(old), True))
        elif old is not None and new is not None:
            if old.name != new.name:
                sentences.append((_orphaned(old), True))
            if old.termination_protection and not new.termination_protection:
                sentences.append(
                    (f"TERMINATION PROTECTION IS REMOVED from the stack {new.name}.", True)
                )
            elif new.termination_protection and not old.termination_protection:
                sentences.append((f"The stack {new.name} gets termination protection.", False))
    return sentences


def _orphaned(stack: Stack) -> str:
    return (
        f"THE STACK {stack.name} IS REMOVED FROM THE APP: `cdk deploy` does not delete it. Its "
        f"{len(stack.resources)} resources remain in the account until someone deletes the stack."
    )
