"""``AWS::Lambda::CodeSigningConfig`` in ministack's CloudFormation.

The emulator stores it as a resource of its stack; ministack verifies no signature of a function.
"""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

import uuid
from typing import Any

from ministack.services.cloudformation import provisioners

from local_aws.ministack_hooks.registration import current_scope

_TYPE = "AWS::Lambda::CodeSigningConfig"
_ID_CHARACTERS = 17
_Made = tuple[str, dict[str, Any]]


def store_code_signing_configs() -> None:
    """Make the resource type known to CloudFormation."""
    provisioners._RESOURCE_HANDLERS[_TYPE] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
    }


def _create(_logical_id: str, _props: dict[str, Any], _stack: str) -> _Made:
    scope, id_ = current_scope(), f"csc-{uuid.uuid4().hex[:_ID_CHARACTERS]}"
    arn = f"arn:aws:lambda:{scope.region}:{scope.account}:code-signing-config:{id_}"
    return arn, _attributes(arn)


def _update(physical_id: str, _old: dict[str, Any], _new: dict[str, Any], _stack: str) -> _Made:
    return physical_id, _attributes(physical_id)


def _delete(_physical_id: str, _props: dict[str, Any]) -> None:
    """Delete nothing else: the emulator's functions do not refer to a signing configuration."""


def _attributes(arn: str) -> dict[str, Any]:
    return {"CodeSigningConfigArn": arn, "CodeSigningConfigId": arn.rpartition(":")[2]}
