"""InvokeEndpoint: a variant is chosen, its container asked, its errors told as SageMaker does."""

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
from local_aws.services.sagemaker.fleet import NotRunHere
from local_aws.services.sagemaker.images import UnusableModel
from local_aws.services.sagemaker.store import Params, Store
from local_aws.services.sagemaker.subjects import invoked

ACTION = "sagemaker:InvokeEndpoint"
INVOCATION_SECONDS = 60.0
# Quotas of InvokeEndpoint: real-time endpoints 6 MB, serverless ones 4 MB.
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
class _Answer:
    """What a container answered, header names in lower case; status 0 is none in time."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return self.status // 100 == 2  # noqa: PLR2004 - HTTP's class of success


class _Refused(Exception):  # noqa: N818 - says what happened
    """The request never reaches a container: an HTTP status, SageMaker's code and a message."""

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
        raise _Refused(_FORBIDDEN, error.code, error.message) from None


class Runtime:
    """The runtime's one operation that is emulated."""

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
        self._chance = SystemRandom()
        self._protocol = ServiceProtocol("sagemaker-runtime", ["InvokeEndpoint"])
        self._calls = ThreadPoolExecutor(_CONCURRENT, thread_name_prefix="invoke-endpoint")

    async def answer(self, scope: Scope, request: Request, authorize: Authorize) -> Response:
        """Answer a request to `/endpoints/NAME/…`, if its caller may do that."""
        loop = asyncio.get_running_loop()
        try:
            _check_caller(scope, request, authorize)
            return await loop.run_in_executor(self._calls, self._invoke, scope, request)
        except _Refused as refused:
            return refused.response

    def _invoke(self, scope: Scope, request: Request) -> Response:
        match = _PATH.fullmatch(request.path)
        if match is None or request.method != "POST":
            raise _Refused(
                400, "ValidationError", f"The emulator has no {request.method} {request.path}."
            )
        record = self._store.find(scope, "endpoint", match["name"])
        if record is None or record["EndpointStatus"] not in ("InService", "Updating"):
            raise _Refused(
                400,
                "ValidationError",
                f"Endpoint {match['name']} of account {scope.account} not found.",
            )
        self._check_size(record, request)
        variant = self._variant(record, request)
        began = time.monotonic()
        answer = self._ask(scope, record, variant, request)
        self._measure(scope, record, variant, answer, time.monotonic() - began)
        if not answer.is_good:
            return _model_error(scope, record, variant, answer)
        given = {
            "Content-Type": answer.headers.get("content-type", "application/octet-stream"),
            "x-Amzn-Invoked-Production-Variant": variant,
        }
        if _ATTRIBUTES.lower() in answer.headers:
            given[_ATTRIBUTES] = answer.headers[_ATTRIBUTES.lower()]
        return Response(200, given, answer.body)

    def _check_size(self, record: Params, request: Request) -> None:
        serverless = any("CurrentServerlessConfig" in one for one in record["ProductionVariants"])
        largest = LARGEST_SERVERLESS_BODY if serverless else LARGEST_BODY
        if len(request.body) > largest:
            raise _Refused(
                413,
                "ValidationError",
                f"Request body of {len(request.body)} bytes is larger than {largest} bytes, the "
                f"most that a {'serverless' if serverless else 'real-time'} endpoint takes.",
            )
        try:
            self._protocol.read(request)
        except ServiceError as error:
            raise _Refused(400, "ValidationError", error.message) from None

    def _variant(self, record: Params, request: Request) -> str:
        weights = {one["VariantName"]: one["CurrentWeight"] for one in record["ProductionVariants"]}
        target = request.headers.get("x-amzn-sagemaker-target-variant")
        if target is None:
            chosen: list[str] = self._chance.choices(list(weights), list(weights.values()))
            return chosen[0]
        if target not in weights:
            raise _Refused(
                400,
                "ValidationError",
                f"Variant {target} is not found on endpoint {record['EndpointName']}; it has "
                f"{', '.join(weights)}.",
            )
        return target

    def _ask(self, scope: Scope, record: Params, variant: str, request: Request) -> _Answer:
        try:
            container = self._endpoints.serving(scope, record, variant).container()
        except NotRunHere as reason:
            return _Answer(_NOT_IMPLEMENTED, str(reason).encode())
        except (UnusableModel, ContainerFailed) as reason:
            return _Answer(_SERVER_ERROR, str(reason).encode())
        sent = {
            name: request.headers[name.lower()]
            for name in ("Content-Type", "Accept", _ATTRIBUTES)
            if name.lower() in request.headers
        }
        where = urlsplit(container.url)
        connection = http.client.HTTPConnection(
            str(where.hostname), where.port, timeout=self._seconds
        )
        try:
            connection.request("POST", "/invocations", request.body, sent)
            response = connection.getresponse()
            given = {name.lower(): value for name, value in response.getheaders()}
            return _Answer(response.status, response.read(), given)
        except TimeoutError:
            return _Answer(0, _TIMED_OUT.format(container="primary").encode())
        except (OSError, http.client.HTTPException) as error:
            return _Answer(_SERVER_ERROR, f"the container hung up: {error}".encode())
        finally:
            connection.close()

    def _measure(
        self, scope: Scope, record: Params, variant: str, answer: _Answer, seconds: float
    ) -> None:
        """Put the metrics that alarms watch: 0 or 1 for each kind of failure."""
        dimensions = {"EndpointName": record["EndpointName"], "VariantName": variant}
        failed = float(not answer.is_good)
        client = float(answer.status // 100 == 4)  # noqa: PLR2004 - HTTP's class of client errors
        for name, value, unit in (
            ("Invocations", 1.0, "Count"),
            ("InvocationsPerInstance", 1.0, "Count"),
            ("Invocation4XXErrors", client, "Count"),
            ("Invocation5XXErrors", failed - client, "Count"),
            ("InvocationModelErrors", failed, "Count"),
            ("ModelLatency", seconds * 1e6, "Microseconds"),
        ):
            self._cloud.put_metric(scope, name, dimensions, value, unit)


def _model_error(scope: Scope, record: Params, variant: str, answer: _Answer) -> Response:
    """Shape a container's error as SageMaker's `ModelError`."""
    said = answer.body.decode(errors="replace")
    group = f"/aws/sagemaker/Endpoints/{record['EndpointName']}"
    kind = "client" if answer.status // 100 == 4 else "server"  # noqa: PLR2004 - as above
    console = f"https://{scope.region}.console.aws.amazon.com/cloudwatch/home?region={scope.region}"
    message = (
        f'Received {kind} error ({answer.status}) from primary with message "{said}". See '
        f"{console}#logEventViewer:group={group} in account {scope.account} for more information."
    )
    return _error(
        424,
        "ModelError",
        {
            "Message": message,
            "OriginalStatusCode": answer.status,
            "OriginalMessage": said,
            "LogStreamArn": f"arn:aws:logs:{scope.region}:{scope.account}:log-group:{group}",
        },
        {"x-Amzn-Invoked-Production-Variant": variant},
    )


def _error(
    status: int, code: str, members: dict[str, Any], headers: Mapping[str, str] | None = None
) -> Response:
    body = json.dumps(members).encode()
    given = {"Content-Type": "application/json", "x-amzn-ErrorType": code, **(headers or {})}
    return Response(status, given, body)
