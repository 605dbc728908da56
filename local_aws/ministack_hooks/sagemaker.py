"""SageMaker's resource types in ministack's CloudFormation, and its metrics in CloudWatch."""
# ruff: noqa: SLF001 - ministack has no public extension points; the contract test guards these

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
_Made = tuple[str, dict[str, Any]]
# What the API of endpoints calls as CloudFormation does; the rest is CloudFormation's own.
_UPDATE_KEYS = (
    "DeploymentConfig",
    "EndpointConfigName",
    "ExcludeRetainedVariantProperties",
    "RetainAllVariantProperties",
    "RetainDeploymentConfig",
)


class SageMakerCloud(MinistackCloud):
    """The rest of the cloud, asked in process (``sagemaker.cloud.Cloud``)."""

    def role_may_read(self, scope: Scope, role_arn: str, bucket: str, key: str) -> bool:
        """Return whether SageMaker, with a role, may read an S3 object."""
        source_arn = f"arn:aws:sagemaker:{scope.region}:{scope.account}:*"
        with within(scope):
            try:
                session = service_session(role_arn, SERVICE_PRINCIPAL, source_arn, _SESSION)
            except ServiceError:
                return False
            # SageMaker uses TLS; a thread that deploys an endpoint has no request with an origin.
            iam_evaluator.pin_request_origin(LOOPBACK, True)  # noqa: FBT003 - ministack's signature
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
        """Put a value of a metric of `AWS/SageMaker`."""
        with within(scope):
            cloudwatch._store_datum(
                "AWS/SageMaker", name, dict(dimensions), time.time(), unit, None, [value], None,
                None,
            )  # fmt: skip


def register_sagemaker(sagemaker: SageMaker) -> None:
    """Serve SageMaker's API, and make its resource types known to CloudFormation."""
    register_service("sagemaker", sagemaker, sagemaker.answer)
    # The runtime has the control plane's name, but a container's answer keeps its own type.
    responses._WIRE_CT_SUCCESS_OVERRIDE["sagemaker"] = "application/json"
    handlers = provisioners._RESOURCE_HANDLERS
    handlers["AWS::SageMaker::Model"] = _immutable(sagemaker, "Model")
    handlers["AWS::SageMaker::EndpointConfig"] = _immutable(sagemaker, "EndpointConfig")
    handlers[_ENDPOINT] = _endpoint(sagemaker)
    for word in ("Pipeline", "ModelPackageGroup", "NotebookInstance"):
        handlers[f"AWS::SageMaker::{word}"] = _Stored(sagemaker, word).handlers
    # An endpoint's creation waits for its containers: it must not hold up the server.
    on_thread = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda type_: type_ == _ENDPOINT or on_thread(type_)


def _immutable(sagemaker: SageMaker, word: str) -> dict[str, Any]:
    """Models and endpoint configurations: a change is another one, and the old one goes."""

    def create(logical_id: str, props: dict[str, Any], _stack: str) -> _Made:
        name = props.get(f"{word}Name") or _new_name(logical_id)
        made = _call(sagemaker, f"Create{word}", {**props, f"{word}Name": name})
        return made[f"{word}Arn"], {f"{word}Name": name}

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> _Made:
        if _without_tags(old) == _without_tags(new):
            return physical_id, {}
        return create(logical_id, new, stack)

    def delete(physical_id: str, _props: dict[str, Any]) -> None:
        name = _name_of(sagemaker, word, physical_id)
        with contextlib.suppress(ServiceError):
            sagemaker.api.call(current_scope(), f"Delete{word}", {f"{word}Name": name})

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def _endpoint(sagemaker: SageMaker) -> dict[str, Any]:
    def create(logical_id: str, props: dict[str, Any], _stack: str) -> _Made:
        name = props.get("EndpointName") or _new_name(logical_id)
        params = {"EndpointName": name, "EndpointConfigName": props["EndpointConfigName"]}
        made = _call(sagemaker, "CreateEndpoint", params)
        record = sagemaker.endpoints.wait(current_scope(), name)
        if record["EndpointStatus"] != "InService":
            reason = record.get("FailureReason", "")
            # CloudFormation deletes what it could not create.
            _call(sagemaker, "DeleteEndpoint", {"EndpointName": name})
            raise ValueError(f"Endpoint {name} is Failed: {reason}")
        return made["EndpointArn"], {"EndpointName": name}

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str, logical_id: str
    ) -> _Made:
        if old.get("EndpointName") != new.get("EndpointName"):
            return create(logical_id, new, stack)
        name = _name_of(sagemaker, "Endpoint", physical_id)
        params = {key: new[key] for key in _UPDATE_KEYS if key in new}
        _call(sagemaker, "UpdateEndpoint", {"EndpointName": name, **params})
        record = sagemaker.endpoints.wait(current_scope(), name)
        if "FailureReason" in record:
            raise ValueError(f"Endpoint {name} kept its old fleet: {record['FailureReason']}")
        return physical_id, {"EndpointName": name}

    def delete(physical_id: str, _props: dict[str, Any]) -> None:
        name = _name_of(sagemaker, "Endpoint", physical_id)
        with contextlib.suppress(ServiceError):
            sagemaker.api.call(current_scope(), "DeleteEndpoint", {"EndpointName": name})

    return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


class _Stored:
    """The handlers of a kind of definition, which the emulator only stores."""

    def __init__(self, sagemaker: SageMaker, word: str) -> None:
        self._sagemaker = sagemaker
        self._word = word
        self._name_key = f"{word}Name"
        self.handlers = {
            "create": self._create,
            "update": self._update,
            "update_with_logical_id": True,
            "delete": self._delete,
        }

    def _create(self, logical_id: str, props: dict[str, Any], _stack: str) -> _Made:
        name = props.get(self._name_key) or _new_name(logical_id)
        self._do("Create", props, name)
        return self._made(name)

    def _update(
        self,
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack: str,
        logical_id: str,
    ) -> _Made:
        if old.get(self._name_key) != new.get(self._name_key):
            return self._create(logical_id, new, stack)
        name = self._name(physical_id)
        if f"Update{self._word}" in self._sagemaker.operations:
            self._do("Update", new, name)
        return self._made(name)

    def _delete(self, physical_id: str, _props: dict[str, Any]) -> None:
        name = self._name(physical_id)
        try:
            self._made(name)
        except ValueError:
            return
        self._do("Delete", {}, name)

    def _do(self, verb: str, props: dict[str, Any], name: str) -> None:
        operation = f"{verb}{self._word}"
        token = uuid.uuid4().hex
        given = {**props, self._name_key: name, "ClientRequestToken": token}
        # In templates, a pipeline's definition is an object with the text.
        if "PipelineDefinitionBody" in (definition := props.get("PipelineDefinition", {})):
            given["PipelineDefinition"] = definition["PipelineDefinitionBody"]
        shape = self._sagemaker.api.input_shape(operation)
        type_ = f"AWS::SageMaker::{self._word}"
        _call(self._sagemaker, operation, as_input(shape, type_, given))

    def _made(self, name: str) -> _Made:
        found = _call(self._sagemaker, f"Describe{self._word}", {self._name_key: name})
        arn = found[f"{self._word}Arn"]
        physical_id = name if self._word == "Pipeline" else arn
        return physical_id, {f"{self._word}Arn": arn, self._name_key: name}

    def _name(self, physical_id: str) -> str:
        is_arn = physical_id.startswith("arn:")
        return _name_of(self._sagemaker, self._word, physical_id) if is_arn else physical_id


def _call(sagemaker: SageMaker, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """Do an operation; ministack wants ValueError, with the text of the stack's event."""
    known = {key: value for key, value in params.items() if key != "Tags"}
    try:
        return sagemaker.api.call(current_scope(), operation, known)
    except ServiceError as error:
        raise ValueError(error.message) from error


def _name_of(sagemaker: SageMaker, word: str, arn: str) -> str:
    """Find the name behind an ARN, which has it in lower case."""
    (listed,) = sagemaker.api.call(current_scope(), f"List{word}s", {}).values()
    return next((one[f"{word}Name"] for one in listed if one[f"{word}Arn"] == arn), "")


def _new_name(logical_id: str) -> str:
    """Name a resource as CloudFormation does, new at each call."""
    return f"{logical_id[: _LONGEST_NAME - _SUFFIX - 1]}-{uuid.uuid4().hex[:_SUFFIX]}"


def _without_tags(props: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in props.items() if key != "Tags"}
