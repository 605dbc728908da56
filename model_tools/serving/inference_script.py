"""Run a model's `code/inference.py` as in SageMaker's TensorFlow Serving container.

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
from model_tools.serving.http_types import RequestError, Response

SCRIPT_PATH = Path("code") / "inference.py"

_REQUEST_SECONDS = 600


class Context(NamedTuple):
    """The request context for handlers, with the container's field names."""

    model_name: str | None
    model_version: str | None
    method: str | None
    # The URL of the TensorFlow Serving REST API that runs the model.
    rest_uri: str
    # None, because this server has no gRPC API.
    grpc_port: int | None
    channel: None
    custom_attributes: str | None
    request_content_type: str
    accept_header: str
    content_length: int


Handler = Callable[[BinaryIO, Context], tuple[bytes | str, str]]


class InferenceScript:
    """The handlers of an inference.py, which this process executes."""

    def __init__(self, folder: Path) -> None:
        """Import `folder`/code/inference.py, with `code` and `code/lib` on the path.

        Raises:
            ServingError: the script cannot run, or handlers are missing.
        """
        script = folder / SCRIPT_PATH
        sys.path[:0] = [str(script.parent), str(script.parent / "lib")]
        spec = importlib.util.spec_from_file_location("inference", script)
        if spec is None or spec.loader is None:  # pragma: no cover - a .py file has a loader
            raise ServingError(f"{SCRIPT_PATH} cannot be imported")
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except ModuleNotFoundError as error:
            raise ServingError(
                f"{SCRIPT_PATH}: {error}; install its imports in this environment, or package them "
                "in code/lib (code/requirements.txt is only installed on SageMaker)"
            ) from None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the code can raise any exception
            message = " ".join(str(error).split())
            raise ServingError(f"{SCRIPT_PATH}: {type(error).__name__}: {message}") from None
        self._handler = _handler_of(module)

    def handle(self, body: bytes, context: Context) -> Response:
        """Return the handlers' response to a request.

        Raises:
            RequestError: 500, a handler raised an error, whose message is returned as in the
                container.
        """
        try:
            content, content_type = self._handler(io.BytesIO(body), context)
        except (Exception, SystemExit) as error:
            raise RequestError(500, str(error) or type(error).__name__) from error
        encoded = content.encode() if isinstance(content, str) else content
        return Response(200, encoded, content_type)


def _handler_of(module: Any) -> Handler:
    if hasattr(module, "handler"):
        return module.handler  # type: ignore[no-any-return]
    if not (hasattr(module, "input_handler") and hasattr(module, "output_handler")):
        raise ServingError(
            f"{SCRIPT_PATH} has no handlers: expected handler(data, context), or both "
            "input_handler(data, context) and output_handler(response, context)"
        )

    def handler(data: BinaryIO, context: Context) -> tuple[bytes | str, str]:
        processed = module.input_handler(data, context)
        response = requests.post(context.rest_uri, data=processed, timeout=_REQUEST_SECONDS)
        return module.output_handler(response, context)  # type: ignore[no-any-return]

    return handler
