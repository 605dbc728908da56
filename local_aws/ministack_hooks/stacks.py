"""Stacks in ministack's CloudFormation: long polls, template limits, and names of log groups."""

# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import re
from typing import Any

from ministack import app
from ministack.services.cloudformation import engine, provisioners

from local_aws.ministack_hooks.registration import Handled
from local_aws.services.cloudformation.long_poll import poll_until_done

_WAIT_SECONDS = 4.0
_LONGEST_LOG_GROUP = 512
_DESCRIBE_STACKS = b"Action=DescribeStacks"
# The statuses of a stack operation in progress. The pattern excludes REVIEW_IN_PROGRESS, because a
# stack in review waits for a person.
_IN_PROGRESS = re.compile(rb"<StackStatus>(?!REVIEW_)[A-Z_]+_IN_PROGRESS</StackStatus>")


def long_poll_describe_stacks() -> None:
    """Delay CDK's `DescribeStacks` of a stack until its operation has ended, for 4 s at most.

    The CDK CLI polls every five seconds, but most stacks take one second in the emulator. Calls of
    other clients are not delayed, because a function of a stack may describe that stack.
    """
    describe = app.SERVICE_HANDLERS["cloudformation"]

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> Handled:
        async def call() -> Handled:
            handled: Handled = await describe(method, path, headers, body, query)
            return handled

        if _DESCRIBE_STACKS not in body or "aws-cdk/" not in headers.get("user-agent", ""):
            return await call()
        return await poll_until_done(
            call, lambda response: _IN_PROGRESS.search(response[2]), _WAIT_SECONDS
        )

    app.SERVICE_HANDLERS["cloudformation"] = handle


def limit_templates() -> None:
    """Reject YAML aliases, which AWS also rejects: a short template can expand to gigabytes."""
    compose = engine.CfnLoader.compose_node

    def compose_node(loader: Any, parent: Any, index: Any) -> Any:
        if loader.check_event(engine.yaml.AliasEvent):
            raise ValueError("YAML aliases are not allowed in CloudFormation templates")
        return compose(loader, parent, index)

    engine.CfnLoader.compose_node = compose_node


def name_log_groups_by_their_stacks() -> None:
    """Name unnamed log groups `<stack>-<logical id>-<random>`, because policies match these names.

    ministack would name them `/aws/cloudformation/…`.
    """
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
