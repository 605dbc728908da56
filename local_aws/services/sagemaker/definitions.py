"""Pipelines, model package groups and notebook instances, which are only stored.

A stack with these resources can be deployed, updated and destroyed. The emulator starts no pipeline
execution, registers no model package and starts no notebook.
"""

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws.account_region import Scope
from local_aws.errors import ValidationError
from local_aws.services.sagemaker.store import Params, Store

if TYPE_CHECKING:
    from collections.abc import Callable

_DEFINITION = "PipelineDefinition"
# The version in a pipeline definition. Source: SageMaker AI Pipeline Definition JSON Schema.
_DEFINITION_VERSION = "2020-12-01"


@dataclass(frozen=True)
class _Kind:
    """A kind of definition: its name in ARNs, its noun in operations, and its initial values."""

    kind: str
    noun: str
    initial: Params
    can_change: bool = True


_KINDS = (
    _Kind("pipeline", "Pipeline", {"PipelineStatus": "Active"}),
    _Kind(
        "model-package-group",
        "ModelPackageGroup",
        {"ModelPackageGroupStatus": "Completed", "CreatedBy": {}},
        can_change=False,
    ),
    # SageMaker deletes only stopped notebooks, and the emulator never starts a notebook.
    _Kind("notebook-instance", "NotebookInstance", {"NotebookInstanceStatus": "Stopped"}),
)


class Definitions:
    """The operations on pipelines, model package groups and notebook instances."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.operations: dict[str, Callable[[Scope, Params], Params]] = {}
        for kind in _KINDS:
            self._add_operations(kind)

    def _add_operations(self, kind: _Kind) -> None:
        def create(scope: Scope, params: Params) -> Params:
            return self._create(scope, kind, params)

        def describe(scope: Scope, params: Params) -> Params:
            return self._store.get(scope, kind.kind, params[f"{kind.noun}Name"])

        def update(scope: Scope, params: Params) -> Params:
            return self._update(scope, kind, params)

        def delete(scope: Scope, params: Params) -> Params:
            record = self._store.get(scope, kind.kind, params[f"{kind.noun}Name"])
            self._store.remove(scope, kind.kind, params[f"{kind.noun}Name"])
            return {f"{kind.noun}Arn": record[f"{kind.noun}Arn"]}

        def list_all(scope: Scope, _params: Params) -> Params:
            names = self._store.names(scope, kind.kind)
            records = [self._store.get(scope, kind.kind, name) for name in names]
            return {_list_member(kind.noun): records}

        noun = kind.noun
        self.operations |= {
            f"Create{noun}": create,
            f"Describe{noun}": describe,
            f"Delete{noun}": delete,
            f"List{noun}s": list_all,
        }
        if kind.can_change:
            self.operations[f"Update{noun}"] = update

    def _create(self, scope: Scope, kind: _Kind, params: Params) -> Params:
        _check_definition(params)
        name = params[f"{kind.noun}Name"]
        arn = self._store.arn(scope, kind.kind, name)
        created = round(time.time(), 3)
        record = {
            **_without_tokens(params),
            **kind.initial,
            f"{kind.noun}Arn": arn,
            "CreationTime": created,
            "LastModifiedTime": created,
        }
        self._store.add(scope, kind.kind, name, record)
        return {f"{kind.noun}Arn": arn}

    def _update(self, scope: Scope, kind: _Kind, params: Params) -> Params:
        _check_definition(params)
        record = self._store.get(scope, kind.kind, params[f"{kind.noun}Name"])
        record.update(params, LastModifiedTime=round(time.time(), 3))
        return {f"{kind.noun}Arn": record[f"{kind.noun}Arn"]}


def _list_member(noun: str) -> str:
    return {
        "Pipeline": "PipelineSummaries",
        "ModelPackageGroup": "ModelPackageGroupSummaryList",
        "NotebookInstance": "NotebookInstances",
    }[noun]


def _without_tokens(params: Params) -> Params:
    return {
        key: value for key, value in params.items() if key not in {"ClientRequestToken", "Tags"}
    }


def _check_definition(params: Params) -> None:
    """Reject a pipeline definition that violates the published schema.

    Raises:
        ValidationError: the definition is not a JSON object with the version and a list of steps.
    """
    text = params.get(_DEFINITION)
    if text is None:
        return
    try:
        definition: Any = json.loads(text)
    except ValueError as error:
        raise ValidationError(f"{_DEFINITION} is not valid JSON: {error}") from None
    if not isinstance(definition, dict) or not isinstance(definition.get("Steps"), list):
        raise ValidationError(
            f"{_DEFINITION} is not valid: expected a JSON object with a list of Steps."
        )
    if definition.get("Version") != _DEFINITION_VERSION:
        raise ValidationError(
            f"{_DEFINITION} is not valid: expected the Version {_DEFINITION_VERSION!r}; got "
            f"{definition.get('Version')!r}."
        )
