"""Find the updates that CloudFormation would reject."""

from collections.abc import Iterator

from deeplens.assembly import Environment, Resource, Stack
from deeplens.assembly.intrinsics import imports
from deeplens.review.resources import Replaced


def blocked_updates(before: Environment, after: Environment, replaced: Replaced) -> list[str]:
    """Return a sentence for each part of the change that CloudFormation would reject."""
    return [*_exports_in_use(before, after, replaced), *_resources(before, after)]


def _exports_in_use(before: Environment, after: Environment, replaced: Replaced) -> Iterator[str]:
    """Yield a sentence for each changed or removed export that another deployed stack imports."""
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
                    f"CloudFormation will reject this update: {used}, and the change removes the "
                    "export. Deploy the stack that no longer imports it first "
                    "(`cdk deploy --exclusively`)."
                )
                continue
            effect = replaced.exports.get(name, "in place")
            if effect != "in place" or after.resolve(new, new.exports[name]) != text:
                may = "may" if effect == "perhaps replaced" else "will"
                yield (
                    f"CloudFormation {may} reject this update: {used}, and the value of an export "
                    "in use cannot change. Add the new resource under a new construct id, change "
                    "its users, and remove the previous resource in a later deployment."
                )


def _uses(stack: Stack, export: str) -> bool:
    return any(
        export in imports(dict(resource.definition)) for resource in stack.resources.values()
    )


def _resources(before: Environment, after: Environment) -> Iterator[str]:
    for title, new in sorted(after.stacks.items()):
        old = before.stacks.get(title)
        for logical_id, resource in sorted(new.resources.items()):
            previous = old.resources.get(logical_id) if old else None
            if previous is None:
                continue
            if previous.type != resource.type:
                yield (
                    f"CloudFormation will reject this update: {title}/{resource.name} changes its "
                    f"type from {previous.type} to {resource.type}. Use a new construct id."
                )
            elif _service_token(previous) != _service_token(resource):
                yield (
                    f"CloudFormation will reject this update: {title}/{resource.name} gets "
                    "another ServiceToken, which a custom resource cannot change. Use a new "
                    "construct id."
                )


def _service_token(resource: Resource) -> object:
    custom = resource.type.startswith("Custom::") or (
        resource.type == "AWS::CloudFormation::CustomResource"
    )
    return resource.properties.get("ServiceToken") if custom else None
