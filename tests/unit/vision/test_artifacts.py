"""Artifacts, manifests and label maps are checked against their digests and formats."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.artifact.archive import open_artifact
from shared.artifact.errors import ArtifactError, LabelMapError, ManifestError
from shared.artifact.labels import parse_label_map, write_label_map
from shared.artifact.manifest import Manifest
from testkit.pinned import pinned_artifact

ARTIFACT = pinned_artifact()
DIGEST = ARTIFACT.parent.name


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    with zipfile.ZipFile(ARTIFACT) as archive:
        archive.extractall(folder)
    return folder


def manifest_document() -> dict[str, Any]:
    with zipfile.ZipFile(ARTIFACT) as archive:
        document: dict[str, Any] = json.loads(archive.read("manifest.json"))
    return document


def test_the_committed_artifact_opens_with_its_digest_and_labels(unpacked: Path) -> None:
    artifact = open_artifact(ARTIFACT, unpacked, DIGEST)
    assert artifact.labels == {1: "circle", 2: "square", 3: "triangle", 4: "star"}
    assert artifact.digest == DIGEST


def test_another_digest_is_refused_with_both(unpacked: Path) -> None:
    with pytest.raises(ArtifactError, match=f"{DIGEST}, expected {'0' * 64}"):
        open_artifact(ARTIFACT, unpacked, "0" * 64)


def test_a_changed_graph_is_refused(unpacked: Path) -> None:
    graph = unpacked / "frozen_model.pb"
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match=r"frozen_model\.pb: SHA-256"):
        open_artifact(ARTIFACT, unpacked, DIGEST)


def test_a_truncated_archive_is_refused(tmp_path: Path, unpacked: Path) -> None:
    broken = tmp_path / "broken.zip"
    shutil.copy(ARTIFACT, broken)
    broken.write_bytes(broken.read_bytes()[:1000])
    with pytest.raises(ArtifactError, match="expected"):
        open_artifact(broken, unpacked, DIGEST)


def test_an_absent_file_is_one_error(tmp_path: Path, unpacked: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        open_artifact(tmp_path / "none.zip", unpacked, DIGEST)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["schema_version"], 2, "schema_version: given 2"),
        (["name"], "No Good", "name: 'No Good' does not match"),
        (["version"], "1.0", "version: '1.0' does not match"),
        (["task"], "poetry", "task: 'poetry' is not one of"),
        (["threshold"], 2, "threshold: 2 is greater than the maximum of 1"),
        (["input", "width_px"], 3, "input.shape: given [1, 96, 128, 3]"),
        (["input", "height_px"], None, "input: given width_px 128 and height_px None"),
        (["input", "dtype"], "float64", "input.dtype: 'float64' is not one of"),
        (["input", "dtype"], "x" * 999, "input.dtype: given 'xxxx"),
        (["input", "mean"], [1], "input.mean: [1] is too short"),
        (["graph"], "../graph.pb", "the digest of ../graph.pb is missing"),
        (["outputs"], {}, "outputs: 'num_detections' is a required property"),
        (["files"], {}, "files: {} does not have enough properties"),
        (["files", "manifest.json"], {"sha256": "0" * 64, "bytes": 1}, "its own digest"),
        (["surprise"], 1, "'surprise' was unexpected"),
        (["name"], "shapes\n", "name: 'shapes\\n' does not match"),
        (["version"], "1.0.0\n", "version: '1.0.0\\n' does not match"),
        (["files"], {"graph.pb\n": {"sha256": "0" * 64, "bytes": 1}}, "files: "),
        (["input", "name"], "image:0\n", "input.name: 'image:0\\n' does not match"),
        (["input", "name"], "image:٣", "input.name: 'image:٣' does not match"),
        (["input", "mean"], [0, 0, 1e300], "input.mean.2: 1e+300 is greater than"),
        (["input", "scale"], [1, 1, 1e-300], "input.scale.2: 1e-300 is less than"),
        (["threshold"], float("nan"), "NaN is not a JSON number"),
        (["input", "mean"], [float("inf")] * 3, "Infinity is not a JSON number"),
        (["input", "mean"], [float("-inf")] * 3, "-Infinity is not a JSON number"),
        (["threshold"], 10**400, "is above 64 bits"),
        (["labels"], "\ud800", "a lone surrogate"),
        (["schema_version"], "x" * 99999, "schema_version: given 'xxx"),
    ],
)
def test_a_wrong_manifest_names_the_key(path: list[str], value: object, expected: str) -> None:
    document = manifest_document()
    target = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(ManifestError) as error:
        Manifest.from_json(json.dumps(document))
    assert expected in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("key", ["name", "threshold", "files"])
def test_a_duplicate_key_of_a_manifest_is_an_error(key: str) -> None:
    text = json.dumps(manifest_document())
    with pytest.raises(ManifestError, match=f"duplicate key '{key}'"):
        Manifest.from_json(text.replace("{", f'{{"{key}": null, ', 1))


def test_a_number_that_is_too_large_for_a_double_is_an_error() -> None:
    text = json.dumps(manifest_document() | {"threshold": 0.5})
    with pytest.raises(ManifestError, match="1e999 is too large for a double"):
        Manifest.from_json(text.replace('"threshold": 0.5', '"threshold": 1e999'))


def test_a_manifest_as_deep_as_a_well_is_a_manifest_error() -> None:
    with pytest.raises(ManifestError, match="not JSON"):
        Manifest.from_json("[" * 100_000)


@given(st.text(max_size=200))
def test_any_text_is_a_manifest_or_a_manifest_error(text: str) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_json(text)


@given(
    st.dictionaries(
        st.integers(1, 2**31 - 1),
        st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=50),
        min_size=1,
        max_size=20,
    )
)
def test_labels_survive_a_label_map(labels: dict[int, str]) -> None:
    assert parse_label_map(write_label_map(labels)) == labels


def test_other_fields_of_the_object_detection_api_are_ignored() -> None:
    text = """
    item { id: 1 name: '/m/01' display_name: 'person' frequency: FREQUENT instance_count: 9
           keypoints { id: 0 label: 'nose' } keypoints { id: 1 label: 'left eye' }
           ancestor_ids: 4 ancestor_ids: [5, 6] descendant_ids: 7 }
    """
    assert parse_label_map(text) == {1: "person"}


@pytest.mark.parametrize(
    "name",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with a non-joiner
        "\u0915\u094d\u200d\u0937",  # Hindi, with a joiner
        "👩\u200d💻",
        "café",
        "a\u2028b",
        "\u00a0nbsp",
    ],
)
def test_names_of_every_script_are_legal(name: str) -> None:
    assert parse_label_map(write_label_map({1: name})) == {1: name}


@pytest.mark.parametrize("name", ["\u200d", "a\u202eb", "a\u200bb", "a\x85b", "\ue000", "a\x1b"])
def test_a_name_that_cannot_be_seen_is_refused(name: str) -> None:
    with pytest.raises(LabelMapError, match="no printable name"):
        parse_label_map(write_label_map({1: name}))


def test_imagenet_21k_fits() -> None:
    labels = {number: f"name {number}, a synonym of it" for number in range(1, 21_842)}
    assert parse_label_map(write_label_map(labels)) == labels


def test_a_label_map_that_no_camera_would_read_is_not_written() -> None:
    with pytest.raises(LabelMapError, match="characters, at most"):
        write_label_map(dict.fromkeys(range(1, 20000), "ü" * 200))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "has no item"),
        ("item { name: 'a' }", "ids start at 1"),
        ("item { id: 0 name: 'a' }", "ids start at 1"),
        ("item { id: -1 name: 'a' }", "ids start at 1"),
        ("item { id: 1 name: 'a' } item { id: 1 name: 'b' }", "is both 'a' and 'b'"),
        ("item { id: 1 }", "no printable name"),
        ("item { id: 1 name: 'a\\nb' }", "no printable name"),
        ("item { id: 1 name: 'a'", "not a label map"),
        ("# item { id: 1 name: 'a' }", "has no item"),
        (" " * (1 << 23), "characters, at most"),
    ],
)
def test_a_broken_label_map_is_one_clear_error(text: str, expected: str) -> None:
    with pytest.raises(LabelMapError, match=expected):
        parse_label_map(text)
