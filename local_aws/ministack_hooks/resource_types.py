"""Resource types that ministack's CloudFormation lacks, and the APIs of their services.

The types are those of Application Auto Scaling, ``AWS::CodePipeline::Pipeline`` and
``AWS::Lambda::CodeSigningConfig``. A code signing configuration is only stored as a resource of its
stack, because ministack does not verify signatures of functions.
"""

# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import contextlib
import uuid
from typing import Any

from ministack.services.cloudformation import provisioners

from local_aws.errors import ServiceError
from local_aws.input_validation.template_resources import as_input
from local_aws.ministack_hooks.registration import current_scope, register_api
from local_aws.services.auto_scaling import AutoScaling, target_key, target_of
from local_aws.services.code_pipeline import CodePipeline

_TARGET_KEYS = (
    "MaxCapacity", "MinCapacity", "ResourceId", "RoleARN", "ScalableDimension", "ServiceNamespace",
    "SuspendedState",
)  # fmt: skip
_POLICY_KEYS = ("PolicyName", "PolicyType")
_PIPELINE = "AWS::CodePipeline::Pipeline"
_RANDOM_CHARACTERS = 12
_CODE_SIGNING_CONFIG = "AWS::Lambda::CodeSigningConfig"
_ID_CHARACTERS = 17
_Result = tuple[str, dict[str, Any]]


def register_auto_scaling(scaling: AutoScaling) -> None:
    """Serve Application Auto Scaling, and register its resource types with CloudFormation."""
    register_api("application-autoscaling", scaling, scaling.api)
    handlers = provisioners._RESOURCE_HANDLERS
    handlers["AWS::ApplicationAutoScaling::ScalableTarget"] = _target(scaling)
    handlers["AWS::ApplicationAutoScaling::ScalingPolicy"] = _policy(scaling)


def _target(scaling: AutoScaling) -> dict[str, Any]:
    def create(_logical_id: str, props: dict[str, Any], _stack: str) -> _Result:
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
    ) -> _Result:
        return create(logical_id, new, stack)

    def delete(physical_id: str, _props: dict[str, Any]) -> None:
        with contextlib.suppress(ServiceError):
            scaling.deregister(current_scope(), target_of(physical_id))

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def _policy(scaling: AutoScaling) -> dict[str, Any]:
    def policy_params(props: dict[str, Any]) -> dict[str, Any]:
        target = props.get("ScalingTargetId") or target_key(props)
        return {**target_of(target), **{key: props[key] for key in _POLICY_KEYS}}

    def create(_logical_id: str, props: dict[str, Any], _stack: str) -> _Result:
        configuration = "TargetTrackingScalingPolicyConfiguration"
        params = policy_params(props)
        if configuration in props:
            params[configuration] = props[configuration]
        try:
            created = scaling.api.call(current_scope(), "PutScalingPolicy", params)
        except ServiceError as error:
            raise ValueError(error.message) from error
        return created["PolicyARN"], {"Arn": created["PolicyARN"]}

    def update(
        _physical_id: str, _old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> _Result:
        return create(logical_id, new, stack)

    def delete(_physical_id: str, props: dict[str, Any]) -> None:
        with contextlib.suppress(ServiceError):
            scaling.delete_policy(current_scope(), policy_params(props))

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def register_code_pipeline(code_pipeline: CodePipeline) -> None:
    """Serve CodePipeline, and register its resource type with CloudFormation."""
    register_api("codepipeline", code_pipeline, code_pipeline.api)
    provisioners._RESOURCE_HANDLERS[_PIPELINE] = _pipeline(code_pipeline)


def _pipeline(code_pipeline: CodePipeline) -> dict[str, Any]:
    def call(operation: str, props: dict[str, Any], name: str) -> _Result:
        shape = code_pipeline.api.input_shape(operation)
        parameters = as_input(shape, _PIPELINE, {"Pipeline": {**props, "Name": name}})
        try:
            created = code_pipeline.api.call(current_scope(), operation, parameters)["pipeline"]
        except ServiceError as error:
            raise ValueError(error.message) from error
        return name, {"Version": str(created["version"])}

    def create(logical_id: str, props: dict[str, Any], stack: str) -> _Result:
        generated = f"{stack}-{logical_id}-{uuid.uuid4().hex[:_RANDOM_CHARACTERS]}"
        return call("CreatePipeline", props, props.get("Name") or generated)

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> _Result:
        if old.get("Name") != new.get("Name"):
            return create(logical_id, new, stack)
        return call("UpdatePipeline", new, physical_id)

    def delete(physical_id: str, _props: dict[str, Any]) -> None:
        with contextlib.suppress(ServiceError):
            code_pipeline.delete(current_scope(), {"name": physical_id})

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def store_code_signing_configs() -> None:
    """Register code signing configurations with CloudFormation."""
    provisioners._RESOURCE_HANDLERS[_CODE_SIGNING_CONFIG] = {
        "create": _create_config,
        "update": _update_config,
        "delete": _delete_config,
    }


def _create_config(_logical_id: str, _props: dict[str, Any], _stack: str) -> _Result:
    scope, id_ = current_scope(), f"csc-{uuid.uuid4().hex[:_ID_CHARACTERS]}"
    arn = f"arn:aws:lambda:{scope.region}:{scope.account}:code-signing-config:{id_}"
    return arn, _config_attributes(arn)


def _update_config(
    physical_id: str, _old: dict[str, Any], _new: dict[str, Any], _stack: str
) -> _Result:
    return physical_id, _config_attributes(physical_id)


def _delete_config(_physical_id: str, _props: dict[str, Any]) -> None:
    """Do nothing: no function of the emulator refers to a signing configuration."""


def _config_attributes(arn: str) -> dict[str, Any]:
    return {"CodeSigningConfigArn": arn, "CodeSigningConfigId": arn.rpartition(":")[2]}
