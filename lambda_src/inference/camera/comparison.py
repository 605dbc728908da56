"""The same picture on TensorFlow, plain, and accelerated by OpenVINO, for the live view.

In a process of its own, which ends when nobody has asked for a while: TensorFlow takes seconds and
hundreds of megabytes, and what happens to it must not happen to the loop. The process reads
pictures from its standard input, and answers each with a line of JSON.
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
from shared.vision.runtimes import OPENVINO, TENSORFLOW

_ENGINES = (TENSORFLOW, OPENVINO)
_IDLE_SECONDS = 15.0
_ANSWER_SECONDS = 30.0
_LOAD_SECONDS = 180.0
_STOP_SECONDS = 0.5
_HEAD = struct.Struct(">II")
_MOST_DETECTIONS = 100
# Below, detectors list noise in no order.
_LEAST_SCORE = 0.1
_SAME_OBJECT_IOU = 0.5

Picture = npt.NDArray[np.uint8]


class Comparison:
    """Runs both engines on pictures while somebody asks; any thread may."""

    def __init__(self) -> None:
        self._directory: Path | None = None
        # Guards what follows.
        self._asking = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._since = self._asked_at = 0.0
        self._failure: str | None = None

    def use(self, directory: Path | None) -> None:
        """Compare the model whose artifact was unpacked there."""
        with self._asking:
            self._end()
            self._directory, self._failure = directory, None

    def of(self, picture: Picture) -> dict[str, Any]:
        """Return what both engines find on a picture (uint8 [height, width, 3], RGB), or why not.

        `state` is `ready`, `loading` or `unavailable`. One picture at a time.
        """
        with self._asking:
            self._asked_at = time.monotonic()
            if reason := self._missing():
                return {"state": "unavailable", "why": reason}
            process = self._process or self._start()
            try:
                if not self._is_ready and not self._loaded(process):
                    return {"state": "loading"}
                return {"state": "ready", **self._ask(process, picture)}
            except (OSError, ValueError) as error:
                self._end()
                # Not tried again and again: each try costs seconds of all processors.
                self._failure = f"the comparison ended: {error}"
                return {"state": "unavailable", "why": self._failure}

    def end_if_idle(self) -> None:
        """End the process when nobody has asked for a while."""
        is_idle = self._process and time.monotonic() - self._asked_at > _IDLE_SECONDS
        if is_idle and self._asking.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._asking.release()

    def stop(self) -> None:
        """End the process at once."""
        # Not behind the lock: somebody may wait for an answer, and gets none now.
        if process := self._process:
            process.kill()
        if self._asking.acquire(timeout=_STOP_SECONDS):
            try:
                self._end()
            finally:
                self._asking.release()

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
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "camera.comparison", str(self._directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self._is_ready, self._since = False, time.monotonic()
        return self._process

    def _loaded(self, process: subprocess.Popen[bytes]) -> bool:
        if not _has_word(process, 0.0):
            if time.monotonic() - self._since > _LOAD_SECONDS:
                raise ValueError(f"the engines did not load in {_LOAD_SECONDS:g} s")
            return False
        _read(process)
        self._is_ready = True
        return True

    def _ask(self, process: subprocess.Popen[bytes], picture: Picture) -> dict[str, Any]:
        height_px, width_px = picture.shape[:2]
        if process.stdin is None:
            raise ValueError("it cannot be asked")
        process.stdin.write(_HEAD.pack(height_px, width_px))
        process.stdin.write(np.ascontiguousarray(picture).tobytes())
        process.stdin.flush()
        if not _has_word(process, _ANSWER_SECONDS):
            raise ValueError(f"no answer in {_ANSWER_SECONDS:g} s")
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


def _has_word(process: subprocess.Popen[bytes], seconds: float) -> bool:
    if process.stdout is None:
        raise ValueError("it cannot answer")
    return bool(select.select([process.stdout], [], [], seconds)[0])


def _read(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        raise ValueError(f"exit code {process.wait()}")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer


def largest_difference(first: Sequence[Detection], second: Sequence[Detection]) -> float:
    """Return by how much scores of the same object differ at most.

    An object that only one side has differs by all of its score.
    """
    left = list(second)
    differences = [0.0]
    for one in first:
        twins = [other for other in left if _is_same(one, other)]
        twin = max(twins, key=lambda other: other.score, default=None)
        if twin is not None:
            left.remove(twin)
        differences.append(_difference(one, twin))
    return max(differences + [_difference(one, None) for one in left])


def _difference(one: Detection, other: Detection | None) -> float:
    scores = (one.score, other.score if other else 0.0)
    return abs(scores[0] - scores[1]) if max(scores) >= _LEAST_SCORE else 0.0


def _is_same(one: Detection, other: Detection) -> bool:
    if one.label != other.label:
        return False
    return one.box is None or other.box is None or _iou(one.box, other.box) >= _SAME_OBJECT_IOU


def _iou(one: Box, other: Box) -> float:
    height = min(one.ymax, other.ymax) - max(one.ymin, other.ymin)
    width = min(one.xmax, other.xmax) - max(one.xmin, other.xmin)
    common = max(height, 0.0) * max(width, 0.0)
    areas = [(box.ymax - box.ymin) * (box.xmax - box.xmin) for box in (one, other)]
    return common / max(sum(areas) - common, 1e-9)


def main(directory: Path, asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer pictures until there are no more."""

    def say(document: dict[str, Any]) -> None:
        answers.write(json.dumps(document).encode() + b"\n")
        answers.flush()

    try:
        artifact = open_unpacked(directory)
        engines = {name: open_engine(name, artifact) for name in _ENGINES}
    except Exception as error:  # noqa: BLE001 - whatever it is, who asks is told
        say({"error": f"{type(error).__name__}: {error}"})
        return
    say({"loaded": list(engines)})
    while head := asked.read(_HEAD.size):
        height_px, width_px = _HEAD.unpack(head)
        pixels = np.frombuffer(asked.read(height_px * width_px * 3), np.uint8)
        picture = pixels.reshape(height_px, width_px, 3)
        found, runs = {}, {}
        for name, engine in engines.items():
            began = time.perf_counter()
            found[name] = engine.infer(picture)
            runs[name] = {
                "ms": round((time.perf_counter() - began) * 1000, 2),
                "detections": [asdict(one) for one in found[name][:_MOST_DETECTIONS]],
            }
        difference = largest_difference(found[TENSORFLOW], found[OPENVINO])
        say({"runs": runs, "largest_difference": difference})


if __name__ == "__main__":
    # What native code prints is no answer.
    own = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    main(Path(sys.argv[1]), sys.stdin.buffer, own)
