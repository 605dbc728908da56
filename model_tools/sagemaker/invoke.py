"""Send requests to a SageMaker endpoint or a local server, and measure the latency."""

import io
import json
import os
import socket
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import numpy as np
import requests
from PIL import Image

from model_tools.errors import ServingError, SourceError
from model_tools.images import read_image

JSON = "application/json"
_IMAGE_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
_LONGEST_MESSAGE = 600
_OK = 200
_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class InvokeRequest:
    """A request to an endpoint."""

    # The name of the request in the report.
    name: str
    body: bytes
    content_type: str = JSON
    accept: str = JSON
    custom_attributes: str | None = None
    target_variant: str | None = None


@dataclass(frozen=True)
class InvokeResponse:
    """The response to a request."""

    body: bytes
    content_type: str
    variant: str | None = None


@dataclass(frozen=True)
class InvokeResult:
    """The last response to a request, and the latency of each round."""

    name: str
    response: InvokeResponse
    milliseconds: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """The median latency of all rounds in ms."""
        return statistics.median(self.milliseconds)

    def document(self) -> Any:
        """Return the JSON document of the response, or a string if the response is not JSON."""
        try:
            return json.loads(self.response.body)
        except ValueError:
            return self.response.body.decode("utf-8", "replace")


class EndpointClient(Protocol):
    """A client of an endpoint or a local server."""

    def send(self, request: InvokeRequest) -> InvokeResponse:
        """Send one request.

        Raises:
            ServingError: there is no response, or an error; the message contains the reason.
        """


def wait_for(url: str, seconds: float) -> None:
    """Wait until a server accepts connections; it does so only after its model is loaded.

    Raises:
        ServingError: the URL has no host, or no server accepts a connection within `seconds`.
    """
    parts = urlsplit(url)
    if parts.hostname is None:
        raise ServingError(f"{url!r} is not the URL of a server: expected http://HOST:PORT")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection((parts.hostname, port), timeout=_CONNECT_SECONDS):
                return
        except OSError:
            if time.monotonic() > give_up_at:
                raise ServingError(
                    f"no server accepted a connection at {parts.hostname}:{port} within "
                    f"{seconds:g} s: start it with `deeplens model serve` or `serve-container`"
                ) from None
            time.sleep(_POLL_SECONDS)


def invoke(
    client: EndpointClient,
    invoke_requests: list[InvokeRequest],
    rounds: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> list[InvokeResult]:
    """Send each request `rounds` times; return its last response and the latency of each round.

    Raises:
        ServingError: a request failed.
    """
    results = []
    for request in invoke_requests:
        milliseconds = []
        for _ in range(rounds):
            started = clock()
            response = client.send(request)
            milliseconds.append((clock() - started) * 1000)
        results.append(InvokeResult(request.name, response, tuple(milliseconds)))
    return results


def image_body(
    file: Path, size_px: tuple[int, int] | None, mean: float, scale: float
) -> tuple[bytes, str]:
    """Return an image as a request body, and its content type.

    Args:
        file: an image.
        size_px: width and height of the image in the body; None to send the file unchanged, for an
            inference.py.
        mean: if `size_px` is given, the body is JSON of `(value - mean) * scale`, with RGB values
            from 0 to 255.
        scale: see `mean`.

    Raises:
        SourceError: the file is not a readable image.
    """
    image = read_image(file)
    if size_px is None:
        return file.read_bytes(), _IMAGE_TYPES.get(file.suffix.lower(), "application/x-image")
    resized = Image.fromarray(image).resize(size_px, Image.Resampling.BILINEAR)
    values = (np.asarray(resized, np.float64) - mean) * scale
    buffer = io.StringIO()
    json.dump({"instances": [values.tolist()]}, buffer)
    return buffer.getvalue().encode(), JSON


class SageMakerEndpoint:
    """A SageMaker endpoint, in AWS or in the emulator at `endpoint_url`."""

    def __init__(
        self, name: str, region: str | None = None, endpoint_url: str | None = None
    ) -> None:
        import boto3  # noqa: PLC0415 - takes a second to import; a local server does not need it
        import botocore.config  # noqa: PLC0415 - as above
        from botocore import exceptions  # noqa: PLC0415 - as above

        self._name = name
        self._exceptions = exceptions
        config = botocore.config.Config(read_timeout=70, retries={"total_max_attempts": 1})
        # The AWS CLI reads AWS_REGION, but boto3 reads only AWS_DEFAULT_REGION.
        region = region or os.environ.get("AWS_REGION")
        try:
            self._client = cast("Any", boto3).client(
                "sagemaker-runtime", region_name=region, endpoint_url=endpoint_url, config=config
            )
        except exceptions.NoRegionError:
            raise SourceError("no AWS Region is set: set --region or AWS_REGION") from None
        except (exceptions.BotoCoreError, ValueError) as error:
            raise SourceError(f"the AWS client cannot be configured: {error}") from None

    def send(self, request: InvokeRequest) -> InvokeResponse:
        """Send one request; see `EndpointClient.send`."""
        options = {
            "CustomAttributes": request.custom_attributes,
            "TargetVariant": request.target_variant,
        }
        try:
            response = self._client.invoke_endpoint(
                EndpointName=self._name,
                Body=request.body,
                ContentType=request.content_type,
                Accept=request.accept,
                **{key: value for key, value in options.items() if value is not None},
            )
            body = response["Body"].read()
        except self._exceptions.ClientError as error:
            raise ServingError(self._error_message(error.response, request)) from None
        except self._exceptions.NoCredentialsError:
            raise ServingError(
                "AWS credentials are missing: run `aws configure`, or set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY (for the emulator, `deeplens local env` prints them)"
            ) from None
        except self._exceptions.BotoCoreError as error:
            raise ServingError(f"the endpoint {self._name} cannot be reached: {error}") from None
        return InvokeResponse(
            body, response.get("ContentType", ""), response.get("InvokedProductionVariant")
        )

    def _error_message(self, response: Mapping[str, Any], request: InvokeRequest) -> str:
        error = response.get("Error", {})
        message = str(error.get("Message", ""))
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if error.get("Code") == "ModelError":
            original = str(response.get("OriginalMessage") or message)
            code = response.get("OriginalStatusCode", "an error")
            return (
                f"the model at {self._name} returned {code} for {request.name}: {_short(original)}"
            )
        if "not found" in message.lower():
            region = self._client.meta.region_name
            return (
                f"there is no endpoint {self._name} in {region}, or it is still being created: "
                f"`aws sagemaker list-endpoints` lists the endpoints ({_short(message)})"
            )
        if status == 413 or "size" in message.lower():  # noqa: PLR2004 - Content Too Large
            return _too_large(request, message)
        return f"the endpoint {self._name} returned {error.get('Code', status)}: {_short(message)}"


class LocalEndpoint:
    """A server at a URL: `serve-container`, or a model of `serve` or TensorFlow Serving."""

    def __init__(self, url: str) -> None:
        """Use the server at http://HOST:PORT, or the model at http://HOST:PORT/v1/models/NAME.

        Raises:
            SourceError: the URL is not valid.
        """
        if not url.startswith(("http://", "https://")):
            raise SourceError(
                f"{url!r} is not a valid URL: expected http://127.0.0.1:8080 (serve-container), or "
                "http://127.0.0.1:8501/v1/models/NAME (serve)"
            )
        base_url = url.rstrip("/")
        if "/v1/models/" not in base_url:
            is_complete = base_url.endswith("/invocations")
            self.url = base_url if is_complete else f"{base_url}/invocations"
        else:
            has_method = ":" in base_url.rpartition("/")[2]
            self.url = base_url if has_method else f"{base_url}:predict"
        self._session = requests.Session()

    def send(self, request: InvokeRequest) -> InvokeResponse:
        """Send one request; see `EndpointClient.send`."""
        headers = {"Content-Type": request.content_type, "Accept": request.accept}
        if request.custom_attributes is not None:
            headers["X-Amzn-SageMaker-Custom-Attributes"] = request.custom_attributes
        try:
            response = self._session.post(self.url, data=request.body, headers=headers, timeout=70)
        except requests.ConnectionError:
            raise ServingError(
                f"no server accepts connections at {self.url}: start it with "
                "`deeplens model serve` or `serve-container`"
            ) from None
        except (requests.RequestException, ValueError) as error:
            raise ServingError(f"{self.url}: {_short(str(error))}") from None
        if response.status_code == 413:  # noqa: PLR2004 - Content Too Large
            raise ServingError(_too_large(request, response.text))
        if response.status_code != _OK:
            raise ServingError(
                f"the model returned {response.status_code} for {request.name}: "
                f"{_short(response.text)}"
            )
        return InvokeResponse(response.content, response.headers.get("Content-Type", ""))


def _too_large(request: InvokeRequest, message: str) -> str:
    return (
        f"{request.name} has {len(request.body)} bytes, which is too large for this endpoint: "
        f"send smaller images, fewer at once, or images instead of JSON ({_short(message)})"
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"
