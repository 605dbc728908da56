"""Releases for a fleet, good and bad in ways that only a camera finds out."""

import json
import time
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from vision.artifact import open_artifact
from vision.engine import open_engine

GRAPH = "frozen_model.pb"
# Processor time of one frame, on all threads: a camera with one frame per second is too slow
# with this model. Wall-clock time would depend on what else the machine does.
SLOW_SECONDS = 4.0


def good_model(models: Path, digest: str, version: str) -> str:
    """Package the same graph under another version; return its digest."""
    manifest, members = _read(models, digest)
    return _package(models, {**manifest, "version": version}, members)


def blind_model(models: Path, digest: str) -> str:
    """Package a graph that gets through the test picture, which is black, and no other one."""
    import tensorflow as tf  # noqa: PLC0415 - takes seconds

    manifest, members = _read(models, digest)
    graph = _imported(members)
    with graph.as_default():
        picture = tf.cast(graph.get_tensor_by_name(manifest["input"]["name"]), tf.float32)
        found = graph.get_tensor_by_name(manifest["outputs"]["num_detections"]["name"])
        # More detections than there are boxes.
        wrong = found + 1000.0 * tf.sign(tf.reduce_max(picture))
        tf.identity(tf.reshape(wrong, [1]), name="wrong_count")
    manifest["outputs"]["num_detections"]["name"] = "wrong_count:0"
    return _package(models, {**manifest, "version": "3.0.0"}, _with_graph(members, graph))


def slow_model(models: Path, digest: str, scratch: Path) -> str:
    """Package a graph with the same answers that takes seconds on a fast and idle machine, too."""
    layers = 4
    while True:
        made = _slowed(models, digest, layers)
        archive = models / "shapes" / made / "model.zip"
        folder = scratch / made
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        engine = open_engine("openvino", open_artifact(archive, folder, made))
        picture = np.zeros((96, 128, 3), np.uint8)
        started = time.process_time()
        engine.infer(picture)
        seconds = time.process_time() - started
        if seconds >= SLOW_SECONDS:
            return made
        layers = max(layers + 2, round(1.4 * layers * SLOW_SECONDS / seconds))


def _slowed(models: Path, digest: str, layers: int) -> str:
    import tensorflow as tf  # noqa: PLC0415 - takes seconds

    manifest, members = _read(models, digest)
    graph = _imported(members)
    random = np.random.default_rng(0)
    with graph.as_default():
        x = tf.cast(graph.get_tensor_by_name(manifest["input"]["name"]), tf.float32)
        first = random.normal(0, 0.05, (3, 3, 3, 256)).astype(np.float32)
        more = tf.constant(random.normal(0, 0.01, (3, 3, 256, 256)).astype(np.float32))
        x = tf.nn.conv2d(x, first, 1, "SAME")
        for _ in range(layers):
            x = tf.nn.relu(tf.nn.conv2d(x, more, 1, "SAME"))
        scores = graph.get_tensor_by_name(manifest["outputs"]["detection_scores"]["name"])
        tf.identity(scores + 1e-12 * tf.tanh(tf.reduce_mean(x)), name="slow_scores")
    manifest["outputs"]["detection_scores"]["name"] = "slow_scores:0"
    return _package(models, {**manifest, "version": f"4.0.{layers}"}, _with_graph(members, graph))


def _imported(members: dict[str, bytes]) -> Any:
    import tensorflow as tf  # noqa: PLC0415 - takes seconds

    definition = tf.compat.v1.GraphDef.FromString(members[GRAPH])
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    return graph


def _with_graph(members: dict[str, bytes], graph: Any) -> dict[str, bytes]:
    return {**members, GRAPH: graph.as_graph_def().SerializeToString()}


def _read(models: Path, digest: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    with zipfile.ZipFile(models / "shapes" / digest / "model.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(members.pop("manifest.json")), members


def _package(models: Path, manifest: dict[str, Any], members: dict[str, bytes]) -> str:
    # A cut is a promise about the graph that was verified, not about this one.
    manifest = {key: value for key, value in manifest.items() if key != "cut"}
    for name in manifest["files"]:
        content = members[name]
        manifest["files"][name] = {
            "bytes": len(content),
            "sha256": sha256(content).hexdigest(),
        }
    packaged = models / "packaged.zip"
    with zipfile.ZipFile(packaged, "w") as archive:
        for name, content in {**members, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    digest = sha256(packaged.read_bytes()).hexdigest()
    folder = models / "shapes" / digest
    folder.mkdir(exist_ok=True)
    packaged.rename(folder / "model.zip")
    return digest
