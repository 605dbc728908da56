"""The resources of stacks by their physical ids."""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

from ministack.services import cloudformation


def logical_ids(account: str) -> dict[str, str]:
    """Return `stack/logical id` by physical id, for every stack of an account."""
    return {
        resource["PhysicalResourceId"]: f"{stack['StackName']}/{logical_id}"
        for (owner, _region, _name), stack in list(cloudformation._stacks._data.items())
        if owner == account
        for logical_id, resource in list(stack.get("_resources", {}).items())
        if resource.get("PhysicalResourceId")
    }
