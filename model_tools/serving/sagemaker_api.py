"""The API of SageMaker's TensorFlow Serving container: `/ping` and `/invocations`.

Source: aws/sagemaker-tensorflow-serving-container, README.md, tensorflowServing.js (without
inference.py) and python_service.py (with inference.py).
"""

import csv
import io
import json
import math
import re
from collections.abc import Mapping

from model_tools.serving.http_types import JSON, RequestError, Response
from model_tools.serving.inference_script import Context, InferenceScript
from model_tools.serving.json_tensors import require_image_within_limit
from model_tools.serving.rest_api import RestApi

CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"

_JSON_TYPES = {JSON, "application/jsonlines", "application/jsons"}
_CSV = "text/csv"
_ATTRIBUTE = re.compile(r"(tfs-[a-z\-]+)=([^,]+)")
_SERVING_KEY = re.compile(r'"(instances|inputs|examples)"\s*:')
_LINES = re.compile(r"[}\]]\s*[\[{]")
_LIST_OF_LISTS = re.compile(r"\s*\[\s*\[")
_NUMBER = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,5})?")


class SageMakerApi:
    """The container's API, for the models that `api` serves."""

    def __init__(
        self,
        api: RestApi,
        default_model: str,
        script: InferenceScript | None = None,
        rest_uri: str = "",
    ) -> None:
        """Serve the models of `api`; if `script` is given, it handles every request.

        The handlers of `script` call TensorFlow Serving's REST API at `rest_uri`.
        """
        self._api = api
        self._default_model = default_model
        self._script = script
        self.rest_uri = rest_uri

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the response, which is an error response if the request is not valid."""
        expected = {"/ping": "GET", "/invocations": "POST"}.get(path)
        if expected is None:
            return RequestError(404, "Not Found").as_response()
        if method != expected:
            return RequestError(
                405, f"Method Not Allowed: expected {expected} {path}"
            ).as_response()
        try:
            return self._ping() if path == "/ping" else self._invoke(headers, body)
        except RequestError as error:
            return error.as_response()

    def _ping(self) -> Response:
        status = self._api.handle("GET", f"/v1/models/{self._default_model}")
        return Response(200 if b'"AVAILABLE"' in status.body else 502, content_type="")

    def _invoke(self, headers: Mapping[str, str], body: bytes) -> Response:
        if self._script is not None:
            require_image_within_limit(body)
            return self._script.handle(body, self._context(headers, body))
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in {*_JSON_TYPES, _CSV}:
            raise RequestError(415, f"Unsupported Media Type: {content_type or 'Unknown'}")
        text = _text(body)
        if not text.strip():
            raise RequestError(400, "the request is empty")
        request = json_of_csv(text) if content_type == _CSV else serving_json(text)
        response = self._api.handle("POST", self._path(headers), request.encode())
        accepted = headers.get("accept", "").replace(" ", "").split(",")
        response_type = accepted[0] if accepted[0] in _JSON_TYPES else JSON
        return Response(response.status, response.body.replace(b"\n", b""), response_type)

    def _context(self, headers: Mapping[str, str], body: bytes) -> Context:
        attributes = _attributes(headers)
        return Context(
            model_name=attributes.get("tfs-model-name"),
            model_version=attributes.get("tfs-model-version"),
            method=attributes.get("tfs-method"),
            rest_uri=f"{self.rest_uri}{self._path(headers)}",
            grpc_port=None,
            channel=None,
            custom_attributes=headers.get(CUSTOM_ATTRIBUTES),
            request_content_type=headers.get("content-type") or JSON,
            accept_header=headers.get("accept") or JSON,
            content_length=len(body),
        )

    def _path(self, headers: Mapping[str, str]) -> str:
        attributes = _attributes(headers)
        version = attributes.get("tfs-model-version")
        return "".join(
            (
                f"/v1/models/{attributes.get('tfs-model-name', self._default_model)}",
                f"/versions/{version}" if version else "",
                f":{attributes.get('tfs-method', 'predict')}",
            )
        )


def serving_json(text: str) -> str:
    """Convert a request in JSON or JSON Lines to TensorFlow Serving's JSON."""
    if _SERVING_KEY.search(text):
        return text
    if _LINES.search(text) and not _LIST_OF_LISTS.match(text):
        lines = [line.strip() for line in text.strip().split("\n") if line.strip()]
        return f'{{"instances":[{",".join(lines)}]}}'
    if not _LIST_OF_LISTS.match(text):
        text = f"[{text}]"
    return f'{{"instances":{text}}}'


def json_of_csv(text: str) -> str:
    """Convert CSV to TensorFlow Serving's JSON; each line is one instance: a value or a list.

    Raises:
        RequestError: 400, the text is not valid CSV, or a number is too large for a double.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error as error:
        raise RequestError(400, f"the request is not valid CSV: {error}") from None
    instances = [[_cell(cell) for cell in row] for row in rows]
    return json.dumps({"instances": [row if len(row) > 1 else row[0] for row in instances]})


def _cell(text: str) -> float | int | str:
    clean = text.strip()
    if not _NUMBER.fullmatch(clean):
        return text
    try:
        return int(clean)
    except ValueError:
        value = float(clean)
    if math.isinf(value):
        raise RequestError(400, f"the number {clean[:40]} is too large for a double")
    return value


def _attributes(headers: Mapping[str, str]) -> dict[str, str]:
    pairs = _ATTRIBUTE.findall(headers.get(CUSTOM_ATTRIBUTES, ""))
    return {name: value.strip() for name, value in pairs}


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise RequestError(400, "the request is not UTF-8") from None
