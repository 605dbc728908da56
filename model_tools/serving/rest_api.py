"""TensorFlow Serving's REST API, which returns a response for a method, a path and a body.

Source: tensorflow/serving, docs/api_rest.md; for errors, its http_rest_api_handler.cc.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from model_tools.serving.classify_api import classifications, read_examples, regressions
from model_tools.serving.http_types import RequestError, Response, json_response, parse_request
from model_tools.serving.predict_api import PREDICTIONS, ROWS, read_feed, write_outputs
from model_tools.serving.signatures import CLASSIFY, REGRESS, ModelSignature, default_key
from model_tools.serving.versions import ServedModel, ServedVersion

_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]{1,18})|/labels/(?P<label>[^/:]+))?"
    r"(?P<action>/metadata|:predict|:classify|:regress)?"
)


class RestApi:
    """The thread-safe REST API of models by name."""

    def __init__(self, models: Mapping[str, ServedModel]) -> None:
        self._models = models
        self._actions: dict[tuple[str, str | None], Callable[..., Response]] = {
            ("GET", None): self._status,
            ("GET", "/metadata"): self._metadata,
            ("POST", ":predict"): self._predict,
            ("POST", ":classify"): self._classify,
            ("POST", ":regress"): self._regress,
        }

    def handle(self, method: str, path: str, body: bytes = b"") -> Response:
        """Return the response, which is an error response if the request is not valid."""
        match = _PATH.fullmatch(path)
        action = self._actions.get((method, match["action"])) if match else None
        if match is None or action is None:
            return RequestError(400, f"Malformed request: {method} {path}").as_response()
        number = None if match["version"] is None else int(match["version"])
        try:
            return action(match["name"], number, match["label"], body)
        except RequestError as error:
            return error.as_response()

    def _status(self, name: str, number: int | None, label: str | None, _body: bytes) -> Response:
        model = self._models.get(name)
        states = model.states() if model else {}
        if model is not None and label is not None:
            number = model.version(label=label).number
        selected = {
            version: state for version, state in states.items() if number in (None, version)
        }
        if not selected:
            which = f"version {number}" if number is not None else "any versions"
            raise RequestError(404, f"Could not find {which} of model {name}")
        document = {
            "model_version_status": [
                {
                    "version": str(version),
                    "state": state.state,
                    "status": {
                        "error_code": state.error_code,
                        "error_message": state.error_message,
                    },
                }
                for version, state in selected.items()
            ]
        }
        return Response(200, json.dumps(document, indent=1).encode())

    def _metadata(self, name: str, number: int | None, label: str | None, _body: bytes) -> Response:
        version = self._version(name, number, label)
        document = {
            "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
            "metadata": {"signature_def": {"signature_def": version.servable.signature_def}},
        }
        return Response(200, json.dumps(document, indent=1).encode())

    def _predict(self, name: str, number: int | None, label: str | None, body: bytes) -> Response:
        version = self._version(name, number, label)
        document = parse_request(body)
        signature = _signature(version, document)
        feed = read_feed(document, signature)
        if feed is None:
            return json_response({PREDICTIONS: []})
        outputs = version.engine.run(signature.key, feed)
        return json_response(write_outputs(outputs, rows=ROWS in document))

    def _classify(self, name: str, number: int | None, label: str | None, body: bytes) -> Response:
        outputs = self._examples(self._version(name, number, label), body, CLASSIFY)
        return json_response({"results": classifications(outputs)})

    def _regress(self, name: str, number: int | None, label: str | None, body: bytes) -> Response:
        outputs = self._examples(self._version(name, number, label), body, REGRESS)
        return json_response({"results": regressions(outputs)})

    def _examples(self, version: ServedVersion, body: bytes, method: str) -> Any:
        document = parse_request(body)
        signature = _signature(version, document)
        if signature.method != method:
            raise RequestError(
                400,
                f'Expected the method_name of signature "{signature.key}" to be {method}. '
                f"Was: {signature.method}",
            )
        return version.engine.run(signature.key, read_examples(document, signature))

    def _version(self, name: str, number: int | None, label: str | None) -> ServedVersion:
        model = self._models.get(name)
        if model is None:
            request = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise RequestError(404, f"Servable not found for request: {request}")
        return model.version(number, label)


def _signature(version: ServedVersion, document: Any) -> ModelSignature:
    requested = document.get("signature_name", "") if isinstance(document, dict) else ""
    key = requested or default_key(version.servable)
    if not isinstance(key, str) or key not in version.servable.signatures:
        existing = ", ".join(version.servable.signatures)
        raise RequestError(
            400,
            f'Serving signature name: "{key}" not found in signature def: expected one of '
            f"{existing}",
        )
    return version.servable.signatures[key]
