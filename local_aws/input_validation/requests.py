"""Inputs of ministack's services, read from requests and checked by botocore's models."""

import uuid
from functools import cached_property
from xml.sax.saxutils import escape

from local_aws.errors import ServiceError, ValidationError
from local_aws.input_validation.constraints import Shape
from local_aws.input_validation.query_protocol import read_form, read_input
from local_aws.service_protocol import Call, Request, Response, Wire

_QUERY = "query"
_XML_FORBIDDEN = "?"
# The code of an input that breaks the model, where it is not the protocol's own one.
_CODES = {
    "cloudwatch": "ValidationError",
    "ecr": "InvalidParameterException",
    "iot": "InvalidRequestException",
    "iot-data": "InvalidRequestException",
    "iot-jobs-data": "InvalidRequestException",
    "logs": "InvalidParameterException",
    "sns": "InvalidParameter",
    "sqs": "InvalidParameterValue",
}


class Inputs:
    """The inputs of one service, named as botocore names it; its model is read at first use."""

    def __init__(self, service: str) -> None:
        self.service = service

    def read(self, request: Request) -> Call | None:
        """Return a request's operation and input, or None if the model does not describe it."""
        if _is_form(request):
            form = read_form(request.body, request.query)
            operation = form.get("Action", "")
            shape = self.shape(operation)
            return None if shape is None else Call(operation, read_input(shape, form))
        try:
            return self._wire.parse(request)
        except ServiceError:
            return None

    def check(self, call: Call) -> None:
        """Reject a call whose input breaks the model.

        Raises:
            ServiceError: it does; the code is the service's.
        """
        try:
            self._wire.check(call)
        except ValidationError as error:
            raise ServiceError(self._validation_code, error.message) from None

    def shape(self, operation: str) -> Shape | None:
        """Return the input shape of an operation, or None if there is none."""
        if operation not in self._wire.operations:
            return None
        return self._wire.model.operation_model(operation).input_shape

    def write_error(self, request: Request, error: ServiceError) -> Response:
        """Shape an error for the client of a request."""
        if not _is_form(request):
            return self._wire.write_error(error)
        message = "".join(
            letter if letter.isprintable() else _XML_FORBIDDEN for letter in error.message
        )
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{error.code}</Code><Message>"
            f"{escape(message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId>"
            "</ErrorResponse>"
        )
        return Response(self._status(error.code), {"Content-Type": "text/xml"}, body.encode())

    @property
    def is_loaded(self) -> bool:
        """Return whether the model has been read, which takes up to a second."""
        return "_wire" in self.__dict__

    def load(self) -> None:
        """Read the model, if it has not been read yet."""
        _ = self._wire

    @cached_property
    def _wire(self) -> Wire:
        return Wire(self.service)

    @property
    def _validation_code(self) -> str:
        is_query = self._wire.model.resolved_protocol == _QUERY
        return _CODES.get(self.service, "ValidationError" if is_query else "ValidationException")

    def _status(self, code: str) -> int:
        """Return the status of an error code of the query protocol."""
        for shape in self._wire.model.error_shapes:
            error = shape.metadata.get("error", {})
            if error.get("code", shape.name) == code:
                return int(error.get("httpStatusCode", 400))
        return 400


def _is_form(request: Request) -> bool:
    content_type = request.headers.get("content-type", "")
    return content_type.startswith("application/x-www-form-urlencoded") or (
        "Action" in request.query and not request.body
    )
