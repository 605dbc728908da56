"""Updates that CloudFormation refuses, found before it does."""

from collections.abc import Iterator

from deeplens.assembly import Environment, Resource, Stack
from deeplens.assembly.intrinsics import imports
from deeplens.review.resources import Replaced


def refusals(before: Environment, after: Environment, replaced: Replaced) -> list[str]:
    """Return a sentence for each part of the change that CloudFormation would refuse."""
    return [*_exports_in_use(before, after, replaced), *_of_resources(before, after)]


def _exports_in_use(before: Environment, after: Environment, replaced: Replaced) -> Iterator[str]:
    """An export cannot change or go while another stack, as deployed, imports it."""
    for title, old in sorted(before.stacks.items()):
        new = after.stacks.get(title)
        if new is None:
            continue
        for name, value in sorted(old.exports.items()):
            users = [stack.name for stack in before.stacks.values() if _uses(stack, name)]
            if not users:
                continue
            text = before.resolve(old, value)
            used = f"{new.name} exports {text}, which {' and '.join(sorted(users))} imports"
            if name not in new.exports:
                yield (
                    f"CloudFormation will refuse this update: {used}, and the change removes the "
                    "export. What works: deploy the stack that no longer imports it first "
                    "(`cdk deploy --exclusively`)."
                )
                continue
            effect = replaced.exports.get(name, "in place")
            if effect != "in place" or after.resolve(new, new.exports[name]) != text:
                may = "may" if effect == "perhaps replaced" else "will"
                yield (
                    f"CloudFormation {may} refuse this update: {used}, and the value of an export "
                    "in use cannot change. What works: add the new resource under a new construct "
                    "id beside the old one, move what uses it, and remove the old one later."
                )


def _uses(stack: Stack, export: str) -> bool:
    return any(export in imports(dict(one.definition)) for one in stack.resources.values())


def _of_resources(before: Environment, after: Environment) -> Iterator[str]:
    for title, new in sorted(after.stacks.items()):
        old = before.stacks.get(title)
        for logical_id, resource in sorted(new.resources.items()):
            was = old.resources.get(logical_id) if old else None
            if was is None:
                continue
            if was.type != resource.type:
                yield (
                    f"CloudFormation will refuse this update: {title}/{resource.name} is a "
                    f"{was.type} and would become a {resource.type}. What works: a new construct "
                    "id."
                )
            elif _token(was) != _token(resource):
                yield (
                    f"CloudFormation will refuse this update: {title}/{resource.name} gets "
                    "another ServiceToken, which a custom resource cannot change. What works: a "
                    "new construct id."
                )


def _token(resource: Resource) -> object:
    custom = resource.type.startswith("Custom::") or (
        resource.type == "AWS::CloudFormation::CustomResource"
    )
    return resource.properties.get("ServiceToken") if custom else None
