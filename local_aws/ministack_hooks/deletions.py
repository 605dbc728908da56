"""Retention of the dependencies of a resource whose deletion failed.

If the deletion of a custom resource fails, ministack still deletes its function, so no later
deletion can succeed. CloudFormation retains the dependencies of a failed resource.
"""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, stacks

Records = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _Deletion:
    """A deletion in progress: the initial resources, the failed ones, and the retained ones."""

    stack: str
    definitions: dict[str, Any]
    resources: Records
    failed: dict[str, str] = field(default_factory=dict)
    retained: set[str] = field(default_factory=set)

    def retains(self, stack: str | None, logical_id: str) -> bool:
        return stack == self.stack and logical_id in self.retained

    def fail(self, logical_id: str, reason: str) -> None:
        self.failed[logical_id] = reason
        needed = stacks._with_dependencies([logical_id], self.definitions, set(self.resources))
        self.retained.update(needed - set(self.failed))

    def restore(self, stack: dict[str, Any]) -> None:
        """Add the failed and retained resources to the stack again, in their order of creation."""
        remaining = stack["_resources"]
        for logical_id, record in self.resources.items():
            if logical_id in self.retained or logical_id in self.failed:
                remaining[logical_id] = record
        for logical_id, reason in self.failed.items():
            self.resources[logical_id].update(
                ResourceStatus="DELETE_FAILED", ResourceStatusReason=reason
            )
        stack["_resources"] = {
            logical_id: remaining[logical_id]
            for logical_id in [*self.resources, *remaining]
            if logical_id in remaining
        }


_current: ContextVar[_Deletion | None] = ContextVar("deletion", default=None)


def retain_dependencies_of_failed_deletions() -> None:
    """Retain the dependencies of a resource whose deletion failed."""
    delete, add_event = stacks._delete_resource, stacks._add_event

    def delete_unless_retained(
        type_: str, physical_id: str, props: Any, stack: str | None = None, logical_id: Any = None
    ) -> None:
        deletion = _current.get()
        if deletion is not None and deletion.retains(stack, logical_id):
            return
        try:
            delete(type_, physical_id, props, stack, logical_id)
        except Exception as error:
            if deletion is not None and stack == deletion.stack:
                deletion.fail(logical_id, str(error))
            raise

    def add_event_unless_retained(
        stack_id: str, stack: str, logical_id: str, *more: Any, **named: Any
    ) -> None:
        deletion = _current.get()
        if deletion is None or not deletion.retains(stack, logical_id):
            add_event(stack_id, stack, logical_id, *more, **named)

    stacks._delete_resource, stacks._add_event = delete_unless_retained, add_event_unless_retained
    _watch_deletions()
    _watch_rollbacks()


def _watch_deletions() -> None:
    delete_stack = stacks._delete_stack_async

    async def delete_and_retain(name: str, stack_id: str, *retained: Any, **mode: Any) -> None:
        stack = cloudformation._stacks.get(name)
        if stack is None or mode.get("force"):
            # A forced deletion removes the stack. Its failed resources remain without a stack.
            await delete_stack(name, stack_id, *retained, **mode)
            return
        definitions = (stack.get("_template") or {}).get("Resources", {})
        deletion = _Deletion(name, definitions, dict(stack.get("_resources", {})))
        token = _current.set(deletion)
        try:
            await delete_stack(name, stack_id, *retained, **mode)
        finally:
            _current.reset(token)
        if deletion.failed:
            deletion.restore(stack)

    stacks._delete_stack_async = handlers._delete_stack_async = delete_and_retain


def _watch_rollbacks() -> None:
    roll_back = stacks._roll_back_operation

    async def roll_back_and_retain(
        name: str, stack_id: str, stack: dict[str, Any], operation: dict[str, Any], *more: Any
    ) -> None:
        if operation.get("is_update"):
            await roll_back(name, stack_id, stack, operation, *more)
            return
        definitions = (operation.get("template") or {}).get("Resources", {})
        deletion = _Deletion(name, definitions, dict(stack.get("_resources", {})))
        token = _current.set(deletion)
        try:
            await roll_back(name, stack_id, stack, operation, *more)
        finally:
            _current.reset(token)
        if deletion.failed:
            deletion.restore(stack)
            # A later deletion of the stack reads the dependencies of resources from this template.
            stack["_template"] = operation.get("template") or {}

    stacks._roll_back_operation = handlers._roll_back_operation = roll_back_and_retain
