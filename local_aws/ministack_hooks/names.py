"""Names that CloudFormation generates, where ministack's have another form.

Policies recognize resources by these names.
"""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

from typing import Any

from ministack.services.cloudformation import provisioners

_LONGEST_LOG_GROUP = 512


def name_log_groups_by_their_stacks() -> None:
    """Name log groups `<stack>-<logical id>-<random>`; ministack has `/aws/cloudformation/…`."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Logs::LogGroup"]
    create, update = handlers["create"], handlers["update"]

    def create_named(logical_id: str, props: dict[str, Any], stack: str) -> Any:
        name = provisioners._physical_name(stack, logical_id, max_len=_LONGEST_LOG_GROUP)
        return create(logical_id, {"LogGroupName": name, **props}, stack)

    def update_named(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any, **named: Any
    ) -> Any:
        if "LogGroupName" not in old and "LogGroupName" not in new:
            old, new = ({"LogGroupName": physical_id, **props} for props in (old, new))
        return update(physical_id, old, new, *more, **named)

    handlers["create"], handlers["update"] = create_named, update_named
