"""Inputs of ministack's services, parsed from requests and validated with botocore's models."""

import uuid
from functools import cached_property
from xml.sax.saxutils import escape

from local_aws.errors import ServiceError, ValidationError
from local_aws.input_validation.constraints import Shape
from local_aws.input_validation.query_protocol import read_form, read_input
from local_aws.service_protocol import Call, Request, Response, ServiceProtocol

_QUERY = "query"
_XML_FORBIDDEN = "?"
# Error codes of services for an invalid input, if they differ from the code of the protocol.
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
    """The inputs of one service, whose model is loaded at first use.

    ``service`` is the name of the service in botocore.
    """

    def __init__(self, service: str) -> None:
        self.service = service

    def parse(self, request: Request) -> Call | None:
        """Return a request's operation and input, or None if the model does not describe them."""
        if _is_form(request):
            form = read_form(request.body, request.query)
            operation = form.get("Action", "")
            shape = self.shape(operation)
            return None if shape is None else Call(operation, read_input(shape, form))
        try:
            return self._protocol.parse(request)
        except ServiceError:
            return None

    def check(self, call: Call) -> None:
        """Reject a call whose input is not valid.

        Raises:
            ServiceError: the input violates the model. The error has the service's code.
        """
        try:
            self._protocol.check(call)
        except ValidationError as error:
            raise ServiceError(self._validation_code, error.message) from None

    def shape(self, operation: str) -> Shape | None:
        """Return the input shape of an operation, or None if the operation is unknown."""
        if operation not in self._protocol.operations:
            return None
        return self._protocol.model.operation_model(operation).input_shape

    def write_error(self, request: Request, error: ServiceError) -> Response:
        """Return the response for an error, in the protocol of the request."""
        if not _is_form(request):
            return self._protocol.write_error(error)
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
        """True if the model is loaded, which takes up to one second."""
        return "_protocol" in self.__dict__

    def load(self) -> None:
        """Load the model, if it is not loaded yet."""
        _ = self._protocol

    @cached_property
    def _protocol(self) -> ServiceProtocol:
        return ServiceProtocol(self.service)

    @property
    def _validation_code(self) -> str:
        is_query = self._protocol.model.resolved_protocol == _QUERY
        return _CODES.get(self.service, "ValidationError" if is_query else "ValidationException")

    def _status(self, code: str) -> int:
        """Return the HTTP status of an error code in the query protocol."""
        for shape in self._protocol.model.error_shapes:
            error = shape.metadata.get("error", {})
            if error.get("code", shape.name) == code:
                return int(error.get("httpStatusCode", 400))
        return 400


def _is_form(request: Request) -> bool:
    content_type = request.headers.get("content-type", "")
    return content_type.startswith("application/x-www-form-urlencoded") or (
        "Action" in request.query and not request.body
    )
