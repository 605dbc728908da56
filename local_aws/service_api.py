"""The API of a service; botocore's model defines its requests, authorization and responses."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from local_aws.account_region import Scope
from local_aws.authorization.checks import Authorize, Subjects, checks
from local_aws.errors import ServiceError
from local_aws.input_validation.constraints import Shape
from local_aws.service_protocol import Call, Request, Response, ServiceProtocol

Params = dict[str, Any]
Operations = Mapping[str, Callable[[Scope, Params], Params]]
_INVALID = "ValidationException"


class ServiceApi:
    """The operations of a service, for HTTP requests and for CloudFormation.

    Args:
        service: botocore's name of the service, which is also the prefix of its IAM actions.
        operations: the functions by operation name; each raises `ServiceError` for an error.
        subjects: returns the resources and condition keys of a call, for its authorization.
        invalid_code: the service's error code for an invalid input.
    """

    def __init__(
        self,
        service: str,
        operations: Operations,
        subjects: Callable[[Scope, Params], Subjects],
        *,
        invalid_code: str = _INVALID,
    ) -> None:
        self._service = service
        self._operations = operations
        self._subjects = subjects
        self._invalid_code = invalid_code

    @cached_property
    def _protocol(self) -> ServiceProtocol:
        # The model is loaded at first use because models are large.
        return ServiceProtocol(self._service, self._operations)

    def respond(self, scope: Scope, request: Request, authorize: Authorize) -> Response:
        """Respond to an HTTP request in an account and Region, if its caller is authorized."""
        try:
            call = self._protocol.read(request)
            subjects = self._subjects(scope, call.params)
            for check in checks(f"{self._service}:{call.operation}", subjects):
                authorize(check)
            result = self._operations[call.operation](scope, call.params)
        except ServiceError as error:
            if error.code == _INVALID != self._invalid_code:
                error = ServiceError(self._invalid_code, error.message)
            return self._protocol.write_error(error)
        return self._protocol.write(call.operation, result)

    def call(self, scope: Scope, operation: str, params: Params) -> Params:
        """Call an operation for CloudFormation, which has already authorized the step.

        Raises:
            ServiceError: the API rejects the parameters.
        """
        self._protocol.check(Call(operation, params))
        return self._operations[operation](scope, params)

    def input_shape(self, operation: str) -> Shape:
        """Return the model of an operation's input."""
        shape: Shape = self._protocol.model.operation_model(operation).input_shape
        return shape
