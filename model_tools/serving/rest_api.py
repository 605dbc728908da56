"""TensorFlow Serving's REST API: a method, a path and a body → an answer.

Source: tensorflow/serving, docs/api_rest.md, and its http_rest_api_handler.cc for errors.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from model_tools.serving.classify_api import classifications, read_examples, regressions
from model_tools.serving.http_types import Answer, RequestError, json_answer, read_json
from model_tools.serving.predict_api import PREDICTIONS, ROWS, read_feed, write_outputs
from model_tools.serving.signatures import CLASSIFY, REGRESS, Signature, default_key
from model_tools.serving.versions import ServedModel, Version

_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]{1,18})|/labels/(?P<label>[^/:]+))?"
    r"(?P<what>/metadata|:predict|:classify|:regress)?"
)


class RestApi:
    """Answers requests for models by their names; any number of threads may ask."""

    def __init__(self, models: Mapping[str, ServedModel]) -> None:
        self._models = models
        self._actions: dict[tuple[str, str | None], Callable[..., Answer]] = {
            ("GET", None): self._status,
            ("GET", "/metadata"): self._metadata,
            ("POST", ":predict"): self._predict,
            ("POST", ":classify"): self._classify,
            ("POST", ":regress"): self._regress,
        }

    def handle(self, method: str, path: str, body: bytes = b"") -> Answer:
        """Return the answer; what is wrong with a request is one, too."""
        match = _PATH.fullmatch(path)
        action = self._actions.get((method, match["what"])) if match else None
        if match is None or action is None:
            return RequestError(400, f"Malformed request: {method} {path}").as_answer()
        number = None if match["version"] is None else int(match["version"])
        try:
            return action(match["name"], number, match["label"], body)
        except RequestError as error:
            return error.as_answer()

    def _status(self, name: str, number: int | None, label: str | None, _body: bytes) -> Answer:
        model = self._models.get(name)
        states = model.states() if model else {}
        if model is not None and label is not None:
            number = model.version(label=label).number
        chosen = {one: states[one] for one in states if number in (None, one)}
        if not chosen:
            which = f"version {number}" if number is not None else "any versions"
            raise RequestError(404, f"Could not find {which} of model {name}")
        document = {
            "model_version_status": [
                {
                    "version": str(one),
                    "state": state.state,
                    "status": {
                        "error_code": state.error_code,
                        "error_message": state.error_message,
                    },
                }
                for one, state in chosen.items()
            ]
        }
        return Answer(200, json.dumps(document, indent=1).encode())

    def _metadata(self, name: str, number: int | None, label: str | None, _body: bytes) -> Answer:
        version = self._version(name, number, label)
        document = {
            "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
            "metadata": {"signature_def": {"signature_def": version.servable.signature_def}},
        }
        return Answer(200, json.dumps(document, indent=1).encode())

    def _predict(self, name: str, number: int | None, label: str | None, body: bytes) -> Answer:
        version = self._version(name, number, label)
        document = read_json(body)
        signature = _signature(version, document)
        feed = read_feed(document, signature)
        if feed is None:
            return json_answer({PREDICTIONS: []})
        outputs = version.engine.run(signature.key, feed)
        return json_answer(write_outputs(outputs, rows=ROWS in document))

    def _classify(self, name: str, number: int | None, label: str | None, body: bytes) -> Answer:
        outputs = self._examples(self._version(name, number, label), body, CLASSIFY)
        return json_answer({"results": classifications(outputs)})

    def _regress(self, name: str, number: int | None, label: str | None, body: bytes) -> Answer:
        outputs = self._examples(self._version(name, number, label), body, REGRESS)
        return json_answer({"results": regressions(outputs)})

    def _examples(self, version: Version, body: bytes, method: str) -> Any:
        document = read_json(body)
        signature = _signature(version, document)
        if signature.method != method:
            raise RequestError(
                400,
                f'Expected the method_name of signature "{signature.key}" to be {method}. '
                f"Was: {signature.method}",
            )
        return version.engine.run(signature.key, read_examples(document, signature))

    def _version(self, name: str, number: int | None, label: str | None) -> Version:
        model = self._models.get(name)
        if model is None:
            wanted = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            raise RequestError(404, f"Servable not found for request: {wanted}")
        return model.version(number, label)


def _signature(version: Version, document: Any) -> Signature:
    wanted = document.get("signature_name", "") if isinstance(document, dict) else ""
    key = wanted or default_key(version.servable)
    if not isinstance(key, str) or key not in version.servable.signatures:
        known = ", ".join(version.servable.signatures)
        raise RequestError(
            400, f'Serving signature name: "{key}" not found in signature def; there are: {known}'
        )
    return version.servable.signatures[key]
