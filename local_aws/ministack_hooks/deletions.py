"""The resources that a failed deletion leaves: the failed one, and those that it depends on.

ministack deletes a custom resource's function although the resource's deletion failed, so no later
deletion can succeed. CloudFormation keeps what a failed resource depends on.
"""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, stacks

Records = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _Deletion:
    """A deletion under way: the stack's resources before it, and those that it keeps."""

    stack: str
    definitions: dict[str, Any]
    resources: Records
    failed: dict[str, str] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)

    def keeps(self, stack: str | None, logical_id: str) -> bool:
        return stack == self.stack and logical_id in self.kept

    def fail(self, logical_id: str, reason: str) -> None:
        self.failed[logical_id] = reason
        needed = stacks._with_dependencies([logical_id], self.definitions, set(self.resources))
        self.kept.update(needed - set(self.failed))

    def restore(self, stack: dict[str, Any]) -> None:
        """Put what still exists back into the stack, in the order of its creation."""
        remaining = stack["_resources"]
        for logical_id, record in self.resources.items():
            if logical_id in self.kept or logical_id in self.failed:
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


def keep_what_failed_resources_need() -> None:
    """Skip the deletion of what a resource depends on that could not be deleted."""
    delete, add_event = stacks._delete_resource, stacks._add_event

    def delete_unless_needed(
        type_: str, physical_id: str, props: Any, stack: str | None = None, logical_id: Any = None
    ) -> None:
        deletion = _current.get()
        if deletion is not None and deletion.keeps(stack, logical_id):
            return
        try:
            delete(type_, physical_id, props, stack, logical_id)
        except Exception as error:
            if deletion is not None and stack == deletion.stack:
                deletion.fail(logical_id, str(error))
            raise

    def add_event_unless_kept(
        stack_id: str, stack: str, logical_id: str, *more: Any, **named: Any
    ) -> None:
        deletion = _current.get()
        if deletion is None or not deletion.keeps(stack, logical_id):
            add_event(stack_id, stack, logical_id, *more, **named)

    stacks._delete_resource, stacks._add_event = delete_unless_needed, add_event_unless_kept
    _watch_deletions()
    _watch_rollbacks()


def _watch_deletions() -> None:
    delete_stack = stacks._delete_stack_async

    async def delete_and_keep(name: str, stack_id: str, *retained: Any, **mode: Any) -> None:
        stack = cloudformation._stacks.get(name)
        if stack is None or mode.get("force"):
            # A forced deletion retains these resources outside of the stack.
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

    stacks._delete_stack_async = handlers._delete_stack_async = delete_and_keep


def _watch_rollbacks() -> None:
    roll_back = stacks._roll_back_operation

    async def roll_back_and_keep(
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
            # The deletion of the stack reads what depends on what from here.
            stack["_template"] = operation.get("template") or {}

    stacks._roll_back_operation = handlers._roll_back_operation = roll_back_and_keep
