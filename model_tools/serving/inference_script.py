"""A model's own `code/inference.py`, as SageMaker's TensorFlow Serving container runs it.

Source: aws/sagemaker-tensorflow-serving-container, README.md, "Pre/post-processing", and its
python_service.py and tfs_utils.py.
"""

import importlib.util
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import requests

from model_tools.errors import ServingError
from model_tools.serving.http_types import Answer, RequestError

INFERENCE = Path("code") / "inference.py"

_REQUEST_SECONDS = 600


class Context(NamedTuple):
    """What a handler is told of a request; the names are the container's."""

    model_name: str | None
    model_version: str | None
    method: str | None
    # Of a TensorFlow Serving REST API that runs the model.
    rest_uri: str
    # There is no gRPC server here.
    grpc_port: int | None
    channel: None
    custom_attributes: str | None
    request_content_type: str
    accept_header: str
    content_length: int


Handler = Callable[[BinaryIO, Context], tuple[bytes | str, str]]


class UserCode:
    """The handlers of an inference.py, which is executed."""

    def __init__(self, folder: Path) -> None:
        """Import `folder`/code/inference.py, with `code` and `code/lib` on the path.

        Raises:
            ServingError: it does not run, or has not the handlers.
        """
        script = folder / INFERENCE
        sys.path[:0] = [str(script.parent), str(script.parent / "lib")]
        spec = importlib.util.spec_from_file_location("inference", script)
        if spec is None or spec.loader is None:  # pragma: no cover - a .py file has a loader
            raise ServingError(f"{INFERENCE} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except ModuleNotFoundError as error:
            raise ServingError(
                f"{INFERENCE}: {error}; what it imports must be installed in this environment, or "
                "packed in code/lib: code/requirements.txt is not installed here"
            ) from None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the code may raise anything
            said = " ".join(str(error).split())
            raise ServingError(f"{INFERENCE}: {type(error).__name__}: {said}") from None
        self._handler = _handler_of(module)

    def handle(self, body: bytes, context: Context) -> Answer:
        """Return what the handlers make of a request.

        Raises:
            RequestError: 500, one of them raised an error; the text is the error's, as the
                container says it.
        """
        try:
            answer, content_type = self._handler(io.BytesIO(body), context)
        except (Exception, SystemExit) as error:
            raise RequestError(500, str(error) or type(error).__name__) from error
        return Answer(200, answer.encode() if isinstance(answer, str) else answer, content_type)


def _handler_of(module: Any) -> Handler:
    if hasattr(module, "handler"):
        return module.handler  # type: ignore[no-any-return]
    if not (hasattr(module, "input_handler") and hasattr(module, "output_handler")):
        raise ServingError(
            f"{INFERENCE} needs handler(data, context), or both input_handler(data, context) and "
            "output_handler(response, context)"
        )

    def handler(data: BinaryIO, context: Context) -> tuple[bytes | str, str]:
        processed = module.input_handler(data, context)
        response = requests.post(context.rest_uri, data=processed, timeout=_REQUEST_SECONDS)
        return module.output_handler(response, context)  # type: ignore[no-any-return]

    return handler
