"""Engines that run a servable: TensorFlow, and OpenVINO, which cameras use."""

import contextlib
import logging
import threading
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from model_tools.errors import ModelToolsError, ServingError
from model_tools.formats.tensors import Arrays
from model_tools.formats.trimming import loadable
from model_tools.serving.http_types import RequestError
from model_tools.serving.signatures import Servable
from shared.artifact.errors import ArtifactError

TENSORFLOW, OPENVINO = "tensorflow", "openvino"
ENGINES = (TENSORFLOW, OPENVINO)

# HTTP statuses by TensorFlow's error codes, as in TensorFlow Serving (http_rest_api_util.cc). All
# other codes have the status 400.
_STATUS = {2: 500, 4: 504, 5: 404, 8: 503, 9: 412, 10: 409, 12: 501, 13: 500, 14: 503, 15: 500}


class Engine(Protocol):
    """A loaded model that several threads may run at once."""

    def run(self, key: str, feed: Arrays) -> Arrays:
        """Run the signature `key`; `feed` and the result are arrays by alias.

        Raises:
            RequestError: the model cannot run with these arrays.
        """


def load_engine(name: str, servable: Servable) -> Engine:
    """Load a servable whose files were checked.

    Raises:
        ServingError: the engine cannot load the servable.
    """
    return _OpenVino(servable) if name == OPENVINO else _TensorFlow(servable)


class _TensorFlow:
    def __init__(self, servable: Servable) -> None:
        import tensorflow as tf  # noqa: PLC0415 - takes seconds to import; OpenVINO does not need it

        # TensorFlow logs a warning for each missing part that only training needs.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        self._constant = tf.constant
        self._dtypes = {
            key: {alias: _tensor_dtype(tf, spec.dtype) for alias, spec in signature.inputs.items()}
            for key, signature in servable.signatures.items()
        }
        self._op_error = tf.errors.OpError
        try:
            with loadable(servable.folder) as folder:
                self._model = tf.saved_model.load(str(folder), tags=["serve"])
        except Exception as error:  # noqa: BLE001 - broken files can cause any exception
            raise ServingError(f"{servable.folder} cannot load: {_first_line(error)}") from None
        self._functions: dict[str, Any] = dict(self._model.signatures)

    def run(self, key: str, feed: Arrays) -> Arrays:
        dtypes = self._dtypes[key]
        try:
            inputs = {alias: self._constant(value, dtypes[alias]) for alias, value in feed.items()}
            outputs = self._functions[key](**inputs)
            return {alias: _array(tensor) for alias, tensor in outputs.items()}
        except self._op_error as error:
            raise RequestError(_STATUS.get(error.error_code, 400), _reason(error)) from None
        except (ValueError, TypeError) as error:
            raise RequestError(400, _first_line(error)) from None


class _OpenVino:
    """An engine that runs frozen signatures on OpenVINO.

    If OpenVINO cannot run a signature, requests for it fail with the reason.
    """

    def __init__(self, servable: Servable) -> None:
        from model_tools.elastic_inference import Predictor  # noqa: PLC0415 - as above

        self._predictors: dict[str, Predictor] = {}
        self._reasons: dict[str, str] = {}
        # A compiled model uses all cores for one request, so requests run one at a time.
        self._lock = threading.Lock()
        for key, signature in servable.signatures.items():
            if any(spec.dtype == "object" for spec in signature.inputs.values()):
                self._reasons[key] = "it takes strings"
                continue
            try:
                self._predictors[key] = Predictor(servable.folder, key, accelerate=True)
            except (ModelToolsError, ArtifactError) as error:
                self._reasons[key] = _first_line(error)
        if not self._predictors:
            reasons = "; ".join(f"{key}: {reason}" for key, reason in self._reasons.items())
            raise ServingError(
                f"OpenVINO can run no signature of {servable.folder}: {reasons}; use --engine "
                f"{TENSORFLOW}"
            )

    def run(self, key: str, feed: Arrays) -> Arrays:
        if key not in self._predictors:
            raise RequestError(
                400,
                f'OpenVINO cannot run the signature "{key}" ({self._reasons[key]}); '
                f"--engine {TENSORFLOW} can",
            )
        try:
            with self._lock:
                return self._predictors[key](feed)
        except (ModelToolsError, ArtifactError) as error:
            raise RequestError(400, _first_line(error)) from None


def _array(tensor: Any) -> npt.NDArray[Any]:
    """Return a tensor's value as an array; TensorFlow returns a single string as bytes."""
    value = tensor.numpy()
    return np.array(value, object) if isinstance(value, bytes) else np.asarray(value)


def _tensor_dtype(tf: Any, name: str) -> Any:
    with contextlib.suppress(TypeError):
        return tf.string if name == "object" else tf.as_dtype(name)
    return None


def _reason(error: Any) -> str:
    """Return an op's error message without its position in the graph."""
    lines: list[str] = [
        line.strip()
        for line in error.message.splitlines()
        if line.strip() and "[[{{node" not in line
    ]
    return (lines or [type(error).__name__])[-1][:300]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
