"""SageMaker's resource types in ministack's CloudFormation, and its metrics in CloudWatch."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import contextlib
import time
import uuid
from collections.abc import Mapping
from typing import Any

from ministack.core import iam_evaluator, responses
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners, stacks

from local_aws.account_region import Scope
from local_aws.errors import ServiceError
from local_aws.input_validation.template_resources import as_input
from local_aws.ministack_hooks.cloud import MinistackCloud
from local_aws.ministack_hooks.identity import service_session
from local_aws.ministack_hooks.registration import current_scope, register_service, within
from local_aws.process.ports import LOOPBACK
from local_aws.services.sagemaker.service import SageMaker
from local_aws.services.sagemaker.subjects import SERVICE_PRINCIPAL

_ENDPOINT = "AWS::SageMaker::Endpoint"
_LONGEST_NAME = 63
_SUFFIX = 12
_SESSION = "SageMaker"
_Result = tuple[str, dict[str, Any]]
# Properties that CloudFormation passes to UpdateEndpoint. CloudFormation processes all other
# properties itself.
_UPDATE_KEYS = (
    "DeploymentConfig",
    "EndpointConfigName",
    "ExcludeRetainedVariantProperties",
    "RetainAllVariantProperties",
    "RetainDeploymentConfig",
)


class SageMakerCloud(MinistackCloud):
    """The services that SageMaker uses, called in process (implements ``cloud.Cloud``)."""

    def role_may_read(self, scope: Scope, role_arn: str, bucket: str, key: str) -> bool:
        """Return whether a role allows SageMaker to read an S3 object."""
        source_arn = f"arn:aws:sagemaker:{scope.region}:{scope.account}:*"
        with within(scope):
            try:
                session = service_session(role_arn, SERVICE_PRINCIPAL, source_arn, _SESSION)
            except ServiceError:
                return False
            # SageMaker uses TLS. The thread that deploys an endpoint has no request that sets the
            # origin.
            iam_evaluator.pin_request_origin(LOOPBACK, True)  # noqa: FBT003 - the parameter of ministack's function
            denial = iam_evaluator.enforce(
                session,
                "s3:GetObject",
                "s3",
                scope.region,
                f"arn:aws:s3:::{bucket}/{key}",
            )
        return denial is None

    def put_metric(
        self, scope: Scope, name: str, dimensions: Mapping[str, str], value: float, unit: str
    ) -> None:
        """Store one value of a metric in the namespace `AWS/SageMaker`."""
        with within(scope):
            cloudwatch._store_datum(
                "AWS/SageMaker", name, dict(dimensions), time.time(), unit, None, [value], None,
                None,
            )  # fmt: skip


def register_sagemaker(sagemaker: SageMaker) -> None:
    """Serve SageMaker's API, and register its resource types with CloudFormation."""
    register_service("sagemaker", sagemaker, sagemaker.respond)
    # The runtime has the same service name, but a container's response sets its own content type.
    responses._WIRE_CT_SUCCESS_OVERRIDE["sagemaker"] = "application/json"
    handlers = provisioners._RESOURCE_HANDLERS
    handlers["AWS::SageMaker::Model"] = _immutable(sagemaker, "Model")
    handlers["AWS::SageMaker::EndpointConfig"] = _immutable(sagemaker, "EndpointConfig")
    handlers[_ENDPOINT] = _endpoint(sagemaker)
    for noun in ("Pipeline", "ModelPackageGroup", "NotebookInstance"):
        handlers[f"AWS::SageMaker::{noun}"] = _Stored(sagemaker, noun).handlers
    # The creation of an endpoint waits for its containers, so it must not block the server.
    on_thread = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda type_: type_ == _ENDPOINT or on_thread(type_)


def _immutable(sagemaker: SageMaker, noun: str) -> dict[str, Any]:
    """Return the handlers of models or endpoint configurations, which an update replaces."""

    def create(logical_id: str, props: dict[str, Any], _stack: str) -> _Result:
        name = props.get(f"{noun}Name") or _new_name(logical_id)
        created = _call(sagemaker, f"Create{noun}", {**props, f"{noun}Name": name})
        return created[f"{noun}Arn"], {f"{noun}Name": name}

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> _Result:
        if _without_tags(old) == _without_tags(new):
            return physical_id, {}
        return create(logical_id, new, stack)

    def delete(physical_id: str, _props: dict[str, Any]) -> None:
        name = _name_of(sagemaker, noun, physical_id)
        with contextlib.suppress(ServiceError):
            sagemaker.api.call(current_scope(), f"Delete{noun}", {f"{noun}Name": name})

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def _endpoint(sagemaker: SageMaker) -> dict[str, Any]:
    def create(logical_id: str, props: dict[str, Any], _stack: str) -> _Result:
        name = props.get("EndpointName") or _new_name(logical_id)
        params = {"EndpointName": name, "EndpointConfigName": props["EndpointConfigName"]}
        created = _call(sagemaker, "CreateEndpoint", params)
        record = sagemaker.endpoints.wait(current_scope(), name)
        if record["EndpointStatus"] != "InService":
            reason = record.get("FailureReason", "")
            # CloudFormation deletes a resource whose creation failed.
            _call(sagemaker, "DeleteEndpoint", {"EndpointName": name})
            raise ValueError(f"Endpoint {name} is Failed: {reason}")
        return created["EndpointArn"], {"EndpointName": name}

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> _Result:
        if old.get("EndpointName") != new.get("EndpointName"):
            return create(logical_id, new, stack)
        name = _name_of(sagemaker, "Endpoint", physical_id)
        params = {key: new[key] for key in _UPDATE_KEYS if key in new}
        _call(sagemaker, "UpdateEndpoint", {"EndpointName": name, **params})
        record = sagemaker.endpoints.wait(current_scope(), name)
        if "FailureReason" in record:
            raise ValueError(
                f"Endpoint {name} retained its previous fleet: {record['FailureReason']}"
            )
        return physical_id, {"EndpointName": name}

    def delete(physical_id: str, _props: dict[str, Any]) -> None:
        name = _name_of(sagemaker, "Endpoint", physical_id)
        with contextlib.suppress(ServiceError):
            sagemaker.api.call(current_scope(), "DeleteEndpoint", {"EndpointName": name})

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


class _Stored:
    """The handlers of a resource type that the emulator stores without further effects."""

    def __init__(self, sagemaker: SageMaker, noun: str) -> None:
        self._sagemaker = sagemaker
        self._noun = noun
        self._name_key = f"{noun}Name"
        self.handlers = {
            "create": self._create,
            "update": self._update,
            "update_with_logical_id": True,
            "delete": self._delete,
        }

    def _create(self, logical_id: str, props: dict[str, Any], _stack: str) -> _Result:
        name = props.get(self._name_key) or _new_name(logical_id)
        self._call("Create", props, name)
        return self._result(name)

    def _update(
        self,
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack: str,
        logical_id: str,
    ) -> _Result:
        if old.get(self._name_key) != new.get(self._name_key):
            return self._create(logical_id, new, stack)
        name = self._name(physical_id)
        if f"Update{self._noun}" in self._sagemaker.operations:
            self._call("Update", new, name)
        return self._result(name)

    def _delete(self, physical_id: str, _props: dict[str, Any]) -> None:
        name = self._name(physical_id)
        try:
            self._result(name)
        except ValueError:
            return
        self._call("Delete", {}, name)

    def _call(self, verb: str, props: dict[str, Any], name: str) -> None:
        operation = f"{verb}{self._noun}"
        token = uuid.uuid4().hex
        properties = {**props, self._name_key: name, "ClientRequestToken": token}
        # In a template, the definition of a pipeline is an object that contains the JSON text.
        if "PipelineDefinitionBody" in (definition := props.get("PipelineDefinition", {})):
            properties["PipelineDefinition"] = definition["PipelineDefinitionBody"]
        shape = self._sagemaker.api.input_shape(operation)
        type_ = f"AWS::SageMaker::{self._noun}"
        _call(self._sagemaker, operation, as_input(shape, type_, properties))

    def _result(self, name: str) -> _Result:
        description = _call(self._sagemaker, f"Describe{self._noun}", {self._name_key: name})
        arn = description[f"{self._noun}Arn"]
        physical_id = name if self._noun == "Pipeline" else arn
        return physical_id, {f"{self._noun}Arn": arn, self._name_key: name}

    def _name(self, physical_id: str) -> str:
        is_arn = physical_id.startswith("arn:")
        return _name_of(self._sagemaker, self._noun, physical_id) if is_arn else physical_id


def _call(sagemaker: SageMaker, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """Call an operation; convert its error into the ValueError that ministack expects."""
    known = {key: value for key, value in params.items() if key != "Tags"}
    try:
        return sagemaker.api.call(current_scope(), operation, known)
    except ServiceError as error:
        raise ValueError(error.message) from error


def _name_of(sagemaker: SageMaker, noun: str, arn: str) -> str:
    """Return the name of a resource; its ARN contains the name only in lower case."""
    (listed,) = sagemaker.api.call(current_scope(), f"List{noun}s", {}).values()
    return next((summary[f"{noun}Name"] for summary in listed if summary[f"{noun}Arn"] == arn), "")


def _new_name(logical_id: str) -> str:
    """Return a new name for a resource in the form that CloudFormation generates."""
    return f"{logical_id[: _LONGEST_NAME - _SUFFIX - 1]}-{uuid.uuid4().hex[:_SUFFIX]}"


def _without_tags(props: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in props.items() if key != "Tags"}
