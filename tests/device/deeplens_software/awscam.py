"""A double of a DeepLens' camera library: `getLastFrame() -> (ret, frame)`, in BGR order.

Source: AWS DeepLens Developer Guide, "Device Library". Frames are images of the folder `camera`.
OpenVINO runs the models, as on the device, but in a newer release.
"""

import json
from functools import cache
from itertools import cycle
from pathlib import Path

import numpy as np
from PIL import Image

from shared.vision.graph_loader import open_runtime


@cache
def _files() -> "cycle[Path]":
    return cycle(sorted(file for file in Path("camera").iterdir() if file.suffix != ".json"))


def getLastFrame() -> tuple[bool, np.ndarray]:  # noqa: N802 - the library's name
    with Image.open(next(_files())) as picture:
        return True, np.array(picture.convert("RGB"))[:, :, ::-1]


class Model:
    """A model that `mo` has optimized; results have the form of the Developer Guide."""

    def __init__(self, path: str, settings: dict[str, int]) -> None:
        described = json.loads(Path(path).read_text())
        if described.get("broken"):
            raise RuntimeError("Failed to load the network")
        self.loaded_on_gpu = bool(settings["GPU"])
        self._outputs = described["outputs"]
        self._size = described["size"]
        self._input = described["input"]
        self._runtime = open_runtime(
            "openvino", Path(described["graph"]), tuple(self._outputs.values())
        )

    def doInference(self, frame: np.ndarray) -> dict[str, np.ndarray]:  # noqa: N802 - the library's name
        assert frame.shape == (self._size[1], self._size[0], 3)
        return self._runtime.run({self._input: frame[np.newaxis]})

    def parseResult(  # noqa: N802 - the library's name
        self, kind: str, raw: dict[str, np.ndarray]
    ) -> dict[str, list[dict[str, float]]]:
        outputs = {role: raw[name] for role, name in self._outputs.items()}
        if kind == "classification":
            scores = outputs["scores"][0]
            order = np.argsort(scores)[::-1]
            return {kind: [{"label": float(i), "prob": float(scores[i])} for i in order]}
        assert kind == "ssd"
        width, height = self._size
        answer = []
        for i in range(int(outputs["num_detections"][0])):
            ymin, xmin, ymax, xmax = outputs["detection_boxes"][0][i]
            answer.append(
                {
                    "label": float(outputs["detection_classes"][0][i]),
                    "prob": float(outputs["detection_scores"][0][i]),
                    "xmin": xmin * width,
                    "ymin": ymin * height,
                    "xmax": xmax * width,
                    "ymax": ymax * height,
                }
            )
        return {kind: answer}
