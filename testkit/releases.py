"""Models for a fleet: a working model, and a model that fails on every frame that is not black."""

import json
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

GRAPH = "frozen_model.pb"


def good_model(models: Path, digest: str, version: str) -> str:
    """Package the graph of an artifact as another version; return the new digest."""
    manifest, members = _read(models, digest)
    return _package(models, {**manifest, "version": version}, members)


def blind_model(models: Path, digest: str) -> str:
    """Package a graph that fails on every image that is not black; return the new digest."""
    import tensorflow as tf  # noqa: PLC0415 - the import takes seconds

    manifest, members = _read(models, digest)
    graph = _imported(members)
    with graph.as_default():
        image = tf.cast(graph.get_tensor_by_name(manifest["input"]["name"]), tf.float32)
        detections = graph.get_tensor_by_name(manifest["outputs"]["num_detections"]["name"])
        # For an image that is not black, the count exceeds the number of boxes.
        wrong = detections + 1000.0 * tf.sign(tf.reduce_max(image))
        tf.identity(tf.reshape(wrong, [1]), name="wrong_count")
    manifest["outputs"]["num_detections"]["name"] = "wrong_count:0"
    return _package(models, {**manifest, "version": "3.0.0"}, _with_graph(members, graph))


def _imported(members: dict[str, bytes]) -> Any:
    import tensorflow as tf  # noqa: PLC0415 - the import takes seconds

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
    # The manifest's `cut` was verified only for the original graph, so the new manifest omits it.
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
