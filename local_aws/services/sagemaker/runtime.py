"""InvokeEndpoint: selection of a variant, the call of its container, and SageMaker's errors."""

import asyncio
import http.client
import json
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from secrets import SystemRandom
from typing import Any
from urllib.parse import urlsplit

from local_aws.account_region import Scope
from local_aws.authorization.checks import Authorize, checks
from local_aws.errors import ServiceError
from local_aws.service_protocol import Request, Response, ServiceProtocol
from local_aws.services.sagemaker.cloud import Cloud
from local_aws.services.sagemaker.containers import ContainerFailed
from local_aws.services.sagemaker.endpoints import Endpoints
from local_aws.services.sagemaker.fleet import FrameworkNotEmulated
from local_aws.services.sagemaker.images import UnusableModel
from local_aws.services.sagemaker.store import Params, Store
from local_aws.services.sagemaker.subjects import invoked

ACTION = "sagemaker:InvokeEndpoint"
INVOCATION_SECONDS = 60.0
# The maximum body sizes of InvokeEndpoint, in bytes: 6 MB for real-time endpoints, and 4 MB for
# serverless endpoints.
LARGEST_BODY = 6 * 1024 * 1024
LARGEST_SERVERLESS_BODY = 4 * 1024 * 1024
_PATH = re.compile(r"/endpoints/(?P<name>[^/]+)/invocations")
_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_CONCURRENT = 32
_FORBIDDEN, _SERVER_ERROR, _NOT_IMPLEMENTED = 403, 500, 501
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container {container}. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


@dataclass(frozen=True)
class _ContainerResponse:
    """A container's response, with header names in lower case; status 0 represents a timeout."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        return self.status // 100 == 2  # noqa: PLR2004 - HTTP success


class _Rejected(Exception):  # noqa: N818 - the name describes an event
    """Raised for a request that no container receives; contains the response to the caller."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.response = _error(status, code, {"Message": message})


def _check_caller(scope: Scope, request: Request, authorize: Authorize) -> None:
    match = _PATH.fullmatch(request.path)
    name = match["name"] if match else "*"
    target_model = request.headers.get("x-amzn-sagemaker-target-model")
    try:
        for check in checks(ACTION, invoked(scope, name, target_model)):
            authorize(check)
    except ServiceError as error:
        raise _Rejected(_FORBIDDEN, error.code, error.message) from None


class Runtime:
    """The SageMaker runtime with its only emulated operation, InvokeEndpoint."""

    def __init__(
        self,
        store: Store,
        endpoints: Endpoints,
        cloud: Cloud,
        invocation_seconds: float = INVOCATION_SECONDS,
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._cloud = cloud
        self._seconds = invocation_seconds
        self._random = SystemRandom()
        self._protocol = ServiceProtocol("sagemaker-runtime", ["InvokeEndpoint"])
        self._calls = ThreadPoolExecutor(_CONCURRENT, thread_name_prefix="invoke-endpoint")

    async def respond(self, scope: Scope, request: Request, authorize: Authorize) -> Response:
        """Respond to a request to `/endpoints/NAME/…`, if its caller is authorized."""
        loop = asyncio.get_running_loop()
        try:
            _check_caller(scope, request, authorize)
            return await loop.run_in_executor(self._calls, self._invoke, scope, request)
        except _Rejected as rejected:
            return rejected.response

    def _invoke(self, scope: Scope, request: Request) -> Response:
        match = _PATH.fullmatch(request.path)
        if match is None or request.method != "POST":
            raise _Rejected(
                400, "ValidationError", f"{request.method} {request.path} is not emulated."
            )
        record = self._store.find(scope, "endpoint", match["name"])
        if record is None or record["EndpointStatus"] not in ("InService", "Updating"):
            raise _Rejected(
                400,
                "ValidationError",
                f"Endpoint {match['name']} of account {scope.account} not found.",
            )
        self._check_size(record, request)
        variant = self._variant(record, request)
        began = time.monotonic()
        response = self._call_container(scope, record, variant, request)
        self._put_metrics(scope, record, variant, response, time.monotonic() - began)
        if not response.is_success:
            return _model_error(scope, record, variant, response)
        headers = {
            "Content-Type": response.headers.get("content-type", "application/octet-stream"),
            "x-Amzn-Invoked-Production-Variant": variant,
        }
        if _ATTRIBUTES.lower() in response.headers:
            headers[_ATTRIBUTES] = response.headers[_ATTRIBUTES.lower()]
        return Response(200, headers, response.body)

    def _check_size(self, record: Params, request: Request) -> None:
        serverless = any(
            "CurrentServerlessConfig" in variant for variant in record["ProductionVariants"]
        )
        largest = LARGEST_SERVERLESS_BODY if serverless else LARGEST_BODY
        if len(request.body) > largest:
            raise _Rejected(
                413,
                "ValidationError",
                f"Request body of {len(request.body)} bytes is larger than {largest} bytes, the "
                f"limit of a {'serverless' if serverless else 'real-time'} endpoint.",
            )
        try:
            self._protocol.read(request)
        except ServiceError as error:
            raise _Rejected(400, "ValidationError", error.message) from None

    def _variant(self, record: Params, request: Request) -> str:
        weights = {
            variant["VariantName"]: variant["CurrentWeight"]
            for variant in record["ProductionVariants"]
        }
        target = request.headers.get("x-amzn-sagemaker-target-variant")
        if target is None:
            chosen: list[str] = self._random.choices(list(weights), list(weights.values()))
            return chosen[0]
        if target not in weights:
            raise _Rejected(
                400,
                "ValidationError",
                f"Variant {target} is not found on endpoint {record['EndpointName']}; it has "
                f"{', '.join(weights)}.",
            )
        return target

    def _call_container(
        self, scope: Scope, record: Params, variant: str, request: Request
    ) -> _ContainerResponse:
        try:
            container = self._endpoints.variant_server(scope, record, variant).container()
        except FrameworkNotEmulated as reason:
            return _ContainerResponse(_NOT_IMPLEMENTED, str(reason).encode())
        except (UnusableModel, ContainerFailed) as reason:
            return _ContainerResponse(_SERVER_ERROR, str(reason).encode())
        headers = {
            name: request.headers[name.lower()]
            for name in ("Content-Type", "Accept", _ATTRIBUTES)
            if name.lower() in request.headers
        }
        address = urlsplit(container.url)
        connection = http.client.HTTPConnection(
            str(address.hostname), address.port, timeout=self._seconds
        )
        try:
            connection.request("POST", "/invocations", request.body, headers)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return _ContainerResponse(response.status, response.read(), received)
        except TimeoutError:
            return _ContainerResponse(0, _TIMED_OUT.format(container="primary").encode())
        except (OSError, http.client.HTTPException) as error:
            return _ContainerResponse(
                _SERVER_ERROR, f"the container closed the connection: {error}".encode()
            )
        finally:
            connection.close()

    def _put_metrics(
        self,
        scope: Scope,
        record: Params,
        variant: str,
        response: _ContainerResponse,
        seconds: float,
    ) -> None:
        """Store the metrics that alarms use: invocations, latency, and 0 or 1 per kind of error."""
        dimensions = {"EndpointName": record["EndpointName"], "VariantName": variant}
        failed = float(not response.is_success)
        client = float(response.status // 100 == 4)  # noqa: PLR2004 - HTTP client error
        for name, value, unit in (
            ("Invocations", 1.0, "Count"),
            ("InvocationsPerInstance", 1.0, "Count"),
            ("Invocation4XXErrors", client, "Count"),
            ("Invocation5XXErrors", failed - client, "Count"),
            ("InvocationModelErrors", failed, "Count"),
            ("ModelLatency", seconds * 1e6, "Microseconds"),
        ):
            self._cloud.put_metric(scope, name, dimensions, value, unit)


def _model_error(
    scope: Scope, record: Params, variant: str, response: _ContainerResponse
) -> Response:
    """Return SageMaker's `ModelError` for an error response of a container."""
    original = response.body.decode(errors="replace")
    group = f"/aws/sagemaker/Endpoints/{record['EndpointName']}"
    kind = "client" if response.status // 100 == 4 else "server"  # noqa: PLR2004 - HTTP client error
    console = f"https://{scope.region}.console.aws.amazon.com/cloudwatch/home?region={scope.region}"
    message = (
        f'Received {kind} error ({response.status}) from primary with message "{original}". See '
        f"{console}#logEventViewer:group={group} in account {scope.account} for more information."
    )
    return _error(
        424,
        "ModelError",
        {
            "Message": message,
            "OriginalStatusCode": response.status,
            "OriginalMessage": original,
            "LogStreamArn": f"arn:aws:logs:{scope.region}:{scope.account}:log-group:{group}",
        },
        {"x-Amzn-Invoked-Production-Variant": variant},
    )


def _error(
    status: int, code: str, members: dict[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    body = json.dumps(members).encode()
    all_headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code, **(headers or {})}
    return Response(status, all_headers, body)
