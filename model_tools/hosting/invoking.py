"""Asking an endpoint of SageMaker, or a server of this machine, and how long it takes."""

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
from model_tools.pictures import read_picture

JSON = "application/json"
_PICTURE_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
_LONGEST_MESSAGE = 600
_OK = 200
_CONNECT_SECONDS = 5.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Request:
    """What is sent."""

    # What it is called in the report.
    name: str
    body: bytes
    content_type: str = JSON
    accept: str = JSON
    custom_attributes: str | None = None
    target_variant: str | None = None


@dataclass(frozen=True)
class Reply:
    """What came back."""

    body: bytes
    content_type: str
    variant: str | None = None


@dataclass(frozen=True)
class Answer:
    """What an endpoint said to one request, and how long it took, each time."""

    name: str
    reply: Reply
    milliseconds: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """The median of all rounds."""
        return statistics.median(self.milliseconds)

    def document(self) -> Any:
        """Return the answer as JSON if it is some, or else as text."""
        try:
            return json.loads(self.reply.body)
        except ValueError:
            return self.reply.body.decode("utf-8", "replace")


class Endpoint(Protocol):
    """Where requests go."""

    def send(self, request: Request) -> Reply:
        """Send one request.

        Raises:
            ServingError: there is no answer; the text says why.
        """


def wait_for(url: str, seconds: float) -> None:
    """Wait until a server accepts connections; it does so when its model is loaded.

    Raises:
        ServingError: none does within `seconds`, or the URL has no host.
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
                    f"nothing answered at {parts.hostname}:{port} within {seconds:g} s; is the "
                    "server started?"
                ) from None
            time.sleep(_POLL_SECONDS)


def invoke(
    endpoint: Endpoint,
    asked: list[Request],
    rounds: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Answer]:
    """Send each request `rounds` times, one after the other; the last reply is kept.

    Raises:
        ServingError: a request was not answered.
    """
    answers = []
    for request in asked:
        took = []
        for _ in range(rounds):
            began = clock()
            reply = endpoint.send(request)
            took.append((clock() - began) * 1000)
        answers.append(Answer(request.name, reply, tuple(took)))
    return answers


def picture_body(
    file: Path, size_px: tuple[int, int] | None, mean: float, scale: float
) -> tuple[bytes, str]:
    """Return a picture as a request's body, and its content type.

    Args:
        file: a picture.
        size_px: width and height; None: the file is sent as it is, for an inference.py.
        mean: with a size, what is sent is JSON of `(value - mean) * scale`, values 0 to 255, RGB.
        scale: as above.

    Raises:
        SourceError: the file is no picture.
    """
    picture = read_picture(file)
    if size_px is None:
        return file.read_bytes(), _PICTURE_TYPES.get(file.suffix.lower(), "application/x-image")
    resized = Image.fromarray(picture).resize(size_px, Image.Resampling.BILINEAR)
    values = (np.asarray(resized, np.float64) - mean) * scale
    buffer = io.StringIO()
    json.dump({"instances": [values.tolist()]}, buffer)
    return buffer.getvalue().encode(), JSON


class SageMakerEndpoint:
    """An endpoint of AWS, or of an AWS that is emulated at `endpoint_url`."""

    def __init__(
        self, name: str, region: str | None = None, endpoint_url: str | None = None
    ) -> None:
        import boto3  # noqa: PLC0415 - takes a second; a local server does not need it
        import botocore.config  # noqa: PLC0415 - as above
        from botocore import exceptions  # noqa: PLC0415 - as above

        self._name = name
        self._exceptions = exceptions
        config = botocore.config.Config(read_timeout=70, retries={"total_max_attempts": 1})
        # The AWS command line knows this variable; boto3 only AWS_DEFAULT_REGION.
        region = region or os.environ.get("AWS_REGION")
        try:
            self._client = cast("Any", boto3).client(
                "sagemaker-runtime", region_name=region, endpoint_url=endpoint_url, config=config
            )
        except exceptions.NoRegionError:
            raise SourceError("no region is set: --region, or AWS_REGION") from None
        except (exceptions.BotoCoreError, ValueError) as error:
            raise SourceError(f"AWS cannot be asked: {error}") from None

    def send(self, request: Request) -> Reply:
        """As `Endpoint.send`."""
        options = {
            "CustomAttributes": request.custom_attributes,
            "TargetVariant": request.target_variant,
        }
        try:
            answer = self._client.invoke_endpoint(
                EndpointName=self._name,
                Body=request.body,
                ContentType=request.content_type,
                Accept=request.accept,
                **{key: value for key, value in options.items() if value is not None},
            )
            body = answer["Body"].read()
        except self._exceptions.ClientError as error:
            raise ServingError(self._refusal(error.response, request)) from None
        except self._exceptions.NoCredentialsError:
            raise ServingError(
                "AWS has no credentials: `aws configure`, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY (for the emulator, `deeplens local env` prints them)"
            ) from None
        except self._exceptions.BotoCoreError as error:
            raise ServingError(f"the endpoint {self._name} cannot be reached: {error}") from None
        return Reply(body, answer.get("ContentType", ""), answer.get("InvokedProductionVariant"))

    def _refusal(self, response: Mapping[str, Any], request: Request) -> str:
        error = response.get("Error", {})
        said = str(error.get("Message", ""))
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if error.get("Code") == "ModelError":
            message = str(response.get("OriginalMessage") or said)
            code = response.get("OriginalStatusCode", "an error")
            return f"the model at {self._name} answered {code} to {request.name}: {_short(message)}"
        if "not found" in said.lower():
            region = self._client.meta.region_name
            return (
                f"there is no endpoint {self._name} in {region}, or not yet: "
                f"`aws sagemaker list-endpoints` lists them ({_short(said)})"
            )
        if status == 413 or "size" in said.lower():  # noqa: PLR2004 - HTTP's own number
            return _too_large(request, said)
        return f"the endpoint {self._name} answered {error.get('Code', status)}: {_short(said)}"


class LocalEndpoint:
    """`serve-container`, or a model of `serve` or TensorFlow Serving itself, by its address."""

    def __init__(self, url: str) -> None:
        """Take http://HOST:PORT, or http://HOST:PORT/v1/models/NAME.

        Raises:
            SourceError: it is no address.
        """
        if not url.startswith(("http://", "https://")):
            raise SourceError(
                f"{url!r} is no address: http://127.0.0.1:8080 (serve-container), or "
                "http://127.0.0.1:8501/v1/models/NAME (serve)"
            )
        plain = url.rstrip("/")
        if "/v1/models/" not in plain:
            self.url = plain if plain.endswith("/invocations") else f"{plain}/invocations"
        else:
            named = ":" in plain.rpartition("/")[2]
            self.url = plain if named else f"{plain}:predict"
        self._session = requests.Session()

    def send(self, request: Request) -> Reply:
        """As `Endpoint.send`."""
        headers = {"Content-Type": request.content_type, "Accept": request.accept}
        if request.custom_attributes is not None:
            headers["X-Amzn-SageMaker-Custom-Attributes"] = request.custom_attributes
        try:
            answer = self._session.post(self.url, data=request.body, headers=headers, timeout=70)
        except requests.ConnectionError:
            raise ServingError(f"nothing answers at {self.url}; is the server started?") from None
        except (requests.RequestException, ValueError) as error:
            raise ServingError(f"{self.url}: {_short(str(error))}") from None
        if answer.status_code == 413:  # noqa: PLR2004 - HTTP's own number
            raise ServingError(_too_large(request, answer.text))
        if answer.status_code != _OK:
            said = _short(answer.text)
            raise ServingError(f"the model answered {answer.status_code} to {request.name}: {said}")
        return Reply(answer.content, answer.headers.get("Content-Type", ""))


def _too_large(request: Request, said: str) -> str:
    return (
        f"{request.name} has {len(request.body)} bytes, which is too large for this endpoint: "
        f"send smaller pictures, fewer at once, or pictures instead of JSON ({_short(said)})"
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"
