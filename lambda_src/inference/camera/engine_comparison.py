"""Comparison of TensorFlow and OpenVINO on the same image, for the live view.

The engines run in a separate process, which ends after 15 s without a request. TensorFlow takes
seconds to load and uses hundreds of megabytes, and its failures must not affect the loop. The
process reads images from its standard input, and responds to each with one line of JSON.
"""

import contextlib
import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from shared.artifact.archive import open_unpacked
from shared.vision.detections import Box, Detection
from shared.vision.engine import open_engine
from shared.vision.graph_loader import OPENVINO, TENSORFLOW

_ENGINES = (TENSORFLOW, OPENVINO)
_IDLE_SECONDS = 15.0
_RESPONSE_SECONDS = 30.0
_LOAD_SECONDS = 180.0
_STOP_SECONDS = 0.5
_HEAD = struct.Struct(">II")
_MAX_DETECTIONS = 100
# Detections with lower scores are noise in random order.
_LEAST_SCORE = 0.1
_SAME_OBJECT_IOU = 0.5

Image = npt.NDArray[np.uint8]


class EngineComparison:
    """A process with both engines; any thread may use it."""

    def __init__(self) -> None:
        self._directory: Path | None = None
        # This lock guards the attributes below.
        self._requesting = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._since = self._requested_at = 0.0
        self._failure: str | None = None

    def use(self, directory: Path | None) -> None:
        """Set the unpacked artifact whose model is compared."""
        with self._requesting:
            self._end()
            self._directory, self._failure = directory, None

    def compare(self, image: Image) -> dict[str, Any]:
        """Return the detections of both engines in an image (uint8 [height, width, 3], RGB).

        `state` is `ready`, `loading` or `unavailable`. If it is `unavailable`, `why` is the reason.
        Images are processed one at a time.
        """
        with self._requesting:
            self._requested_at = time.monotonic()
            if reason := self._missing():
                return {"state": "unavailable", "why": reason}
            process = self._process or self._start()
            try:
                if not self._is_ready and not self._loaded(process):
                    return {"state": "loading"}
                return {"state": "ready", **self._request(process, image)}
            except (OSError, ValueError) as error:
                self._end()
                # The comparison is not retried, because each attempt occupies all processors for
                # seconds.
                self._failure = f"the comparison ended: {error}"
                return {"state": "unavailable", "why": self._failure}

    def end_if_idle(self) -> None:
        """End the process after 15 s without a request."""
        is_idle = self._process and time.monotonic() - self._requested_at > _IDLE_SECONDS
        if is_idle and self._requesting.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._requesting.release()

    def stop(self) -> None:
        """End the process immediately."""
        # The lock is not acquired, because a thread that waits for a response holds it.
        if process := self._process:
            process.kill()
        if self._requesting.acquire(timeout=_STOP_SECONDS):
            try:
                self._end()
            finally:
                self._requesting.release()

    def _missing(self) -> str | None:
        if self._failure:
            return self._failure
        if self._directory is None:
            return "no model runs yet"
        for name, package in ((TENSORFLOW, "TensorFlow"), (OPENVINO, "OpenVINO")):
            if find_spec(name) is None:
                return f"{package} is not installed on this device"
        return None

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(  # noqa: S603 - fixed command
            [sys.executable, "-m", "camera.engine_comparison", str(self._directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self._is_ready, self._since = False, time.monotonic()
        return self._process

    def _loaded(self, process: subprocess.Popen[bytes]) -> bool:
        if not _has_response(process, 0.0):
            if time.monotonic() - self._since > _LOAD_SECONDS:
                raise ValueError(f"the engines did not load in {_LOAD_SECONDS:g} s")
            return False
        _read(process)
        self._is_ready = True
        return True

    def _request(self, process: subprocess.Popen[bytes], image: Image) -> dict[str, Any]:
        height_px, width_px = image.shape[:2]
        if process.stdin is None:
            raise ValueError("it has no standard input")
        process.stdin.write(_HEAD.pack(height_px, width_px))
        process.stdin.write(np.ascontiguousarray(image).tobytes())
        process.stdin.flush()
        if not _has_response(process, _RESPONSE_SECONDS):
            raise ValueError(f"no response in {_RESPONSE_SECONDS:g} s")
        return _read(process)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with contextlib.suppress(OSError):
                        pipe.close()


def _has_response(process: subprocess.Popen[bytes], seconds: float) -> bool:
    if process.stdout is None:
        raise ValueError("it has no standard output")
    return bool(select.select([process.stdout], [], [], seconds)[0])


def _read(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        raise ValueError(f"exit code {process.wait()}")
    response: dict[str, Any] = json.loads(line)
    if "error" in response:
        raise ValueError(response["error"])
    return response


def largest_difference(first: Sequence[Detection], second: Sequence[Detection]) -> float:
    """Return the largest difference between the scores of the same object.

    If only one engine detects an object, the difference is the object's score.
    """
    unmatched = list(second)
    differences = [0.0]
    for detection in first:
        candidates = [other for other in unmatched if _is_same(detection, other)]
        match = max(candidates, key=lambda other: other.score, default=None)
        if match is not None:
            unmatched.remove(match)
        differences.append(_difference(detection, match))
    return max(differences + [_difference(detection, None) for detection in unmatched])


def _difference(detection: Detection, other: Detection | None) -> float:
    scores = (detection.score, other.score if other else 0.0)
    return abs(scores[0] - scores[1]) if max(scores) >= _LEAST_SCORE else 0.0


def _is_same(detection: Detection, other: Detection) -> bool:
    if detection.label != other.label:
        return False
    if detection.box is None or other.box is None:
        return True
    return _iou(detection.box, other.box) >= _SAME_OBJECT_IOU


def _iou(box: Box, other: Box) -> float:
    height = min(box.ymax, other.ymax) - max(box.ymin, other.ymin)
    width = min(box.xmax, other.xmax) - max(box.xmin, other.xmin)
    common = max(height, 0.0) * max(width, 0.0)
    areas = [(each.ymax - each.ymin) * (each.xmax - each.xmin) for each in (box, other)]
    return common / max(sum(areas) - common, 1e-9)


def main(directory: Path, requests: BinaryIO, responses: BinaryIO) -> None:
    """Respond to each image of the input until it ends."""

    def respond(document: dict[str, Any]) -> None:
        responses.write(json.dumps(document).encode() + b"\n")
        responses.flush()

    try:
        artifact = open_unpacked(directory)
        engines = {name: open_engine(name, artifact) for name in _ENGINES}
    except Exception as error:  # noqa: BLE001 - the error is the response
        respond({"error": f"{type(error).__name__}: {error}"})
        return
    respond({"loaded": list(engines)})
    while head := requests.read(_HEAD.size):
        height_px, width_px = _HEAD.unpack(head)
        pixels = np.frombuffer(requests.read(height_px * width_px * 3), np.uint8)
        image = pixels.reshape(height_px, width_px, 3)
        detections, runs = {}, {}
        for name, engine in engines.items():
            began = time.perf_counter()
            detections[name] = engine.infer(image)
            runs[name] = {
                "ms": round((time.perf_counter() - began) * 1000, 2),
                "detections": [
                    asdict(detection) for detection in detections[name][:_MAX_DETECTIONS]
                ],
            }
        difference = largest_difference(detections[TENSORFLOW], detections[OPENVINO])
        respond({"runs": runs, "largest_difference": difference})


if __name__ == "__main__":
    # Native code can print to standard output, which must contain only responses.
    responses = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    main(Path(sys.argv[1]), sys.stdin.buffer, responses)
