"""CodePipeline's API, and ``AWS::CodePipeline::Pipeline`` in ministack's CloudFormation."""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

import contextlib
import uuid
from typing import Any

from ministack.services.cloudformation import provisioners

from local_aws.errors import ServiceError
from local_aws.input_validation.template_resources import as_input
from local_aws.ministack_hooks.registration import current_scope, register_api
from local_aws.services.code_pipeline import CodePipeline

_TYPE = "AWS::CodePipeline::Pipeline"
_RANDOM_CHARACTERS = 12
_Made = tuple[str, dict[str, Any]]


def register_code_pipeline(code_pipeline: CodePipeline) -> None:
    """Serve the API, and make its resource type known to CloudFormation."""
    register_api("codepipeline", code_pipeline, code_pipeline.api)
    provisioners._RESOURCE_HANDLERS[_TYPE] = _pipeline(code_pipeline)


def _pipeline(code_pipeline: CodePipeline) -> dict[str, Any]:
    def call(operation: str, props: dict[str, Any], name: str) -> _Made:
        shape = code_pipeline.api.input_shape(operation)
        parameters = as_input(shape, _TYPE, {"Pipeline": {**props, "Name": name}})
        try:
            made = code_pipeline.api.call(current_scope(), operation, parameters)["pipeline"]
        except ServiceError as error:
            raise ValueError(error.message) from error
        return name, {"Version": str(made["version"])}

    def create(logical_id: str, props: dict[str, Any], stack: str) -> _Made:
        generated = f"{stack}-{logical_id}-{uuid.uuid4().hex[:_RANDOM_CHARACTERS]}"
        return call("CreatePipeline", props, props.get("Name") or generated)

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> _Made:
        if old.get("Name") != new.get("Name"):
            return create(logical_id, new, stack)
        return call("UpdatePipeline", new, physical_id)

    def delete(physical_id: str, _props: dict[str, Any]) -> None:
        with contextlib.suppress(ServiceError):
            code_pipeline.delete(current_scope(), {"name": physical_id})

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}
