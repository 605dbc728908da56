"""The json and rest-json protocols of a botocore service model: routing, parsing, responses.

Clients use the same model, so each response has the shape that its client expects.
"""

import base64
import binascii
import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import botocore.session
from botocore.model import OperationModel, ServiceModel

from local_aws import json_text
from local_aws.errors import ServiceError, ValidationError
from local_aws.input_validation.constraints import Shape, check

_URI_LABEL = re.compile(r"\{(?P<name>\w+)(?P<greedy>\+?)\}")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; ``path`` is percent-decoded, and header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    query: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """A parsed request: the operation and its input."""

    operation: str
    params: dict[str, Any]


class ServiceProtocol:
    """A translator between HTTP and the operations of one botocore service model."""

    def __init__(self, service: str, operations: Iterable[str] | None = None) -> None:
        self.model: ServiceModel = botocore.session.Session().get_service_model(service)
        self.operations = sorted(operations or self.model.operation_names)
        self._routes = [
            (op.http["method"], _uri_pattern(op.http["requestUri"]), op)
            for op in map(self.model.operation_model, self.operations)
        ]

    def route(self, method: str, path: str) -> tuple[OperationModel, dict[str, str]] | None:
        """Return the operation and the URI labels of a request; None if no operation matches."""
        for verb, pattern, operation in self._routes:
            match = pattern.fullmatch(path)
            if verb == method and match:
                return operation, match.groupdict()
        return None

    def _operation_of_target(self, target: str) -> tuple[OperationModel, dict[str, str]] | None:
        """Return the operation in the X-Amz-Target header of the json protocol; None if unknown."""
        name = target.rpartition(".")[2]
        return (self.model.operation_model(name), {}) if name in self.operations else None

    def read(self, request: Request) -> Call:
        """Parse and validate a request.

        Raises:
            ServiceError: no operation has this route, or the input violates the model.
        """
        call = self.parse(request)
        self.check(call)
        return call

    def check(self, call: Call) -> None:
        """Reject a call whose input violates the model.

        Raises:
            ValidationError: the input violates the model.
        """
        shape = self.model.operation_model(call.operation).input_shape
        if shape is not None:
            check(shape, call.params)

    def parse(self, request: Request) -> Call:
        """Parse a request without validating its input.

        Raises:
            ServiceError: no operation has this route, or the body cannot be parsed.
        """
        target = request.headers.get("x-amz-target", "")
        by_target = self.model.resolved_protocol == "json"
        route = (
            self._operation_of_target(target)
            if by_target
            else self.route(request.method, request.path)
        )
        if route is None:
            requested = target if by_target else f"{request.method} {request.path}"
            raise ServiceError(
                "UnknownOperationException",
                f"{self.model.service_id} has no operation {requested} here.",
            )
        operation, labels = route
        shape = operation.input_shape
        params = {} if shape is None else _read_members(shape, request, labels)
        return Call(operation.name, params)

    def write(self, operation: str, result: Mapping[str, Any]) -> Response:
        """Return the response for the result of an operation."""
        model = self.model.operation_model(operation)
        status = int(model.http.get("responseCode", 200))
        if model.output_shape is None:
            return Response(status, {}, b"")
        return _json_response(status, _shaped(model.output_shape, result), {})

    def write_error(self, error: ServiceError) -> Response:
        """Return the response for an error."""
        status, members = 400, dict[str, Any](message=error.message)
        if error.code in self.model.shape_names:
            shape = self.model.shape_for(error.code)
            status = int(shape.metadata.get("error", {}).get("httpStatusCode", 400))
            all_members = {**error.members, "message": error.message}
            members.update(_shaped(shape, all_members))
        elif error.code == "UnknownOperationException":
            status = 404
        elif error.code == "AccessDeniedException" and self.model.resolved_protocol != "json":
            status = 403
        if self.model.resolved_protocol == "json":
            members["__type"] = error.code
        return _json_response(status, members, {"x-amzn-ErrorType": error.code})


def _json_response(status: int, body: Any, headers: dict[str, str]) -> Response:
    content = json.dumps(body, separators=(",", ":")).encode()
    return Response(status, {"Content-Type": "application/json", **headers}, content)


def _uri_pattern(uri: str) -> re.Pattern[str]:
    parts, end = [], 0
    for label in _URI_LABEL.finditer(uri):
        parts.append(re.escape(uri[end : label.start()]))
        parts.append(f"(?P<{label['name']}>{'.+' if label['greedy'] else '[^/]+'})")
        end = label.end()
    parts.append(re.escape(uri[end:]))
    return re.compile("".join(parts))


def _read_members(shape: Shape, request: Request, labels: Mapping[str, str]) -> dict[str, Any]:
    payload = shape.serialization.get("payload")
    if payload is not None and shape.members[payload].type_name != "structure":
        body = {}
    else:
        body = _json_object(request.body) if request.body.strip() else {}
    params: dict[str, Any] = {}
    for name, member in shape.members.items():
        wire_name = member.serialization.get("name", name)
        value: Any
        match member.serialization.get("location"):
            case "uri":
                value = labels.get(wire_name)
            case "querystring":
                values = request.query.get(wire_name, [])
                repeated = member.type_name == "list"
                value = values if repeated else next(iter(values), None)
                value = _from_text(member, value or None)
            case "header":
                value = _from_text(member, request.headers.get(wire_name.lower()))
            case "headers":
                value = None
            case _ if name == payload:
                value = _from_payload(member, request.body, body)
            case _:
                value = _from_json(member, body.get(wire_name), name)
        if value is not None:
            params[name] = value
    return params


def _from_payload(shape: Shape, content: bytes, body: dict[str, Any]) -> Any:
    """Return the payload member, which is the complete body of a request; None if empty."""
    if shape.type_name == "structure":
        return _from_json(shape, body or None, "payload")
    if not content:
        return None
    return content if shape.type_name == "blob" else content.decode(errors="replace")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json_text.parse(body)
    except json_text.TooDeepError as error:
        raise ServiceError("SerializationException", f"The request's body is {error}") from None
    except ValueError as error:
        raise ValidationError(
            f"The request's body is not JSON: {error}", reason="CANNOT_PARSE"
        ) from None
    if not isinstance(value, dict):
        raise ValidationError("The request's body is not a JSON object.", reason="CANNOT_PARSE")
    return value


def _from_text(shape: Shape, value: Any) -> Any:
    if value is None or isinstance(value, list):
        return value
    if shape.type_name in ("integer", "long"):
        return int(value) if re.fullmatch(r"-?[0-9]+", value) else value
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(value.lower(), value)
    return value


def _from_json(shape: Shape, value: Any, path: str) -> Any:
    if value is None:
        return None
    if shape.type_name == "structure" and isinstance(value, dict):
        read = {
            name: _from_json(member, value.get(member.serialization.get("name", name)), name)
            for name, member in shape.members.items()
        }
        return {name: member for name, member in read.items() if member is not None}
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _from_json(shape.value, item, key) for key, item in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_from_json(shape.member, item, path) for item in value]
    if shape.type_name == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise ValidationError(f"{path} is not base64.", reason="CANNOT_PARSE") from None
    return value


def _shaped(shape: Shape, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return {
                member.serialization.get("name", name): _shaped(member, value[name])
                for name, member in shape.members.items()
                if value.get(name) is not None
            }
        case "map":
            return {key: _shaped(shape.value, item) for key, item in value.items()}
        case "list":
            return [_shaped(shape.member, item) for item in value]
        case "blob":
            return base64.b64encode(value).decode()
        case "timestamp":
            return value.timestamp() if isinstance(value, dt.datetime) else value
        case _:
            return value
