"""Deletion of a stack, with a wait for the result."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from deeplens.fleet.errors import FleetError
from deeplens.fleet.session import FleetSession
from deeplens.fleet.stacks import DeployedStack

_POLL_SECONDS = 2.0
# The pause between two attempts to delete a stack. AWS IoT may reject the deletion of a policy for
# up to five minutes after its detachment.
_RETRY_SECONDS = 60.0
_ATTEMPTS = 7
_DELETED = "DELETE_COMPLETE"
_RELEASED_LATE = "AWS::IoT::Policy"


@dataclass(frozen=True)
class StackDeletion:
    """A deletion of stacks with retries.

    Attributes:
        session: the environment's account and Region.
        report: prints a line of progress.
        sleep: waits for a number of seconds.
    """

    session: FleetSession
    report: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep

    def delete(self, stack: DeployedStack) -> None:
        """Disable a stack's termination protection, and delete the stack.

        If AWS IoT rejects the deletion of a recently detached policy, the deletion is retried up to
        six times.

        Raises:
            FleetError: CloudFormation could not delete the stack; the message contains the
                resources and reasons.
        """
        client: Any = self.session.boto_session.client("cloudformation")
        # After the deletion, only the id identifies the stack.
        stack_id = client.describe_stacks(StackName=stack.name)["Stacks"][0]["StackId"]
        if stack.protected:
            client.update_termination_protection(
                EnableTerminationProtection=False, StackName=stack.name
            )
        for attempt in range(1, _ATTEMPTS + 1):
            since = self._newest_event(client, stack_id)
            client.delete_stack(StackName=stack_id)
            status = self._wait(client, stack_id)
            if status == _DELETED:
                return
            failed = list(self._failures(client, stack_id, since))
            waits = any(type_ == _RELEASED_LATE for type_, _ in failed)
            if not waits or attempt == _ATTEMPTS:
                reasons = "; ".join(text for _, text in failed) or "its events have no reason"
                raise FleetError(
                    f"the stack {stack.name} is in {status}: {reasons}; remove the cause, and "
                    "run the same command again"
                )
            self.report(
                f"{stack.name}: AWS IoT releases a policy up to five minutes after its "
                f"certificates were detached; next attempt in {_RETRY_SECONDS:.0f} s"
            )
            self.sleep(_RETRY_SECONDS)

    def _wait(self, client: Any, stack_id: str) -> str:
        while (
            status := client.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
        ).endswith("_IN_PROGRESS"):
            self.sleep(_POLL_SECONDS)
        return str(status)

    @staticmethod
    def _newest_event(client: Any, stack_id: str) -> str:
        events = client.describe_stack_events(StackName=stack_id)["StackEvents"]
        return str(events[0]["EventId"]) if events else ""

    @staticmethod
    def _failures(client: Any, stack_id: str, since: str) -> Iterator[tuple[str, str]]:
        """Yield the type and reason of each resource whose deletion failed after event `since`."""
        pages = client.get_paginator("describe_stack_events").paginate(StackName=stack_id)
        for event in (event for page in pages for event in page["StackEvents"]):
            if event["EventId"] == since:
                return
            is_resource = event["PhysicalResourceId"] != stack_id
            if event["ResourceStatus"] == "DELETE_FAILED" and is_resource:
                reason = event.get("ResourceStatusReason", "no reason")
                yield event["ResourceType"], f"{event['LogicalResourceId']}: {reason}"
