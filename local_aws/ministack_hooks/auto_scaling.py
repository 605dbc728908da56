"""Application Auto Scaling's resource types in ministack's CloudFormation."""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

import contextlib
from typing import Any

from ministack.services.cloudformation import provisioners

from local_aws.errors import ServiceError
from local_aws.ministack_hooks.registration import current_scope, register_api
from local_aws.services.auto_scaling import AutoScaling, target_key, target_of

_TARGET_KEYS = (
    "MaxCapacity", "MinCapacity", "ResourceId", "RoleARN", "ScalableDimension", "ServiceNamespace",
    "SuspendedState",
)  # fmt: skip
_POLICY_KEYS = ("PolicyName", "PolicyType")
_Made = tuple[str, dict[str, Any]]


def register_auto_scaling(scaling: AutoScaling) -> None:
    """Serve the API, and make its resource types known to CloudFormation."""
    register_api("application-autoscaling", scaling, scaling.api)
    handlers = provisioners._RESOURCE_HANDLERS
    handlers["AWS::ApplicationAutoScaling::ScalableTarget"] = _target(scaling)
    handlers["AWS::ApplicationAutoScaling::ScalingPolicy"] = _policy(scaling)


def _target(scaling: AutoScaling) -> dict[str, Any]:
    def create(_logical_id: str, props: dict[str, Any], _stack: str) -> _Made:
        params = {key: props[key] for key in _TARGET_KEYS if key in props}
        for key in ("MinCapacity", "MaxCapacity"):
            params[key] = int(params[key])
        try:
            scaling.api.call(current_scope(), "RegisterScalableTarget", params)
        except ServiceError as error:
            raise ValueError(error.message) from error
        return target_key(params), {}

    def update(
        _physical_id: str, _old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> _Made:
        return create(logical_id, new, stack)

    def delete(physical_id: str, _props: dict[str, Any]) -> None:
        with contextlib.suppress(ServiceError):
            scaling.deregister(current_scope(), target_of(physical_id))

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def _policy(scaling: AutoScaling) -> dict[str, Any]:
    def given(props: dict[str, Any]) -> dict[str, Any]:
        target = props.get("ScalingTargetId") or target_key(props)
        return {**target_of(target), **{key: props[key] for key in _POLICY_KEYS}}

    def create(_logical_id: str, props: dict[str, Any], _stack: str) -> _Made:
        configuration = "TargetTrackingScalingPolicyConfiguration"
        params = given(props)
        if configuration in props:
            params[configuration] = props[configuration]
        try:
            made = scaling.api.call(current_scope(), "PutScalingPolicy", params)
        except ServiceError as error:
            raise ValueError(error.message) from error
        return made["PolicyARN"], {"Arn": made["PolicyARN"]}

    def update(
        _physical_id: str, _old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> _Made:
        return create(logical_id, new, stack)

    def delete(_physical_id: str, props: dict[str, Any]) -> None:
        with contextlib.suppress(ServiceError):
            scaling.delete_policy(current_scope(), given(props))

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}
