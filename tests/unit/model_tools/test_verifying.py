"""Verification measures the difference of detections, and reports the cause."""

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_tools.artifact.archive import unpack_artifact
from model_tools.errors import RefusedError, SourceError
from model_tools.images import draw_detections
from model_tools.verification.detection_agreement import agreement
from model_tools.verification.diagnosis import alternatives, diagnose
from model_tools.verification.expected_detections import read_expected
from model_tools.verification.report import next_step, report_page
from model_tools.verification.verify import RunComparison, Verification, _shown
from shared.artifact.errors import ArtifactError
from shared.artifact.manifest import InputSpec
from shared.vision.detections import Box, Detection
from testkit.pinned import pinned_artifact

ARTIFACT = pinned_artifact()
HERE = Box(0.1, 0.1, 0.5, 0.5)
THERE = Box(0.6, 0.6, 0.9, 0.9)
SPEC = InputSpec(
    name="x:0", dtype="float32", layout="NHWC", width_px=8, height_px=8, channel_order="RGB",
    resize="bilinear", mean=(0, 0, 0), scale=(1, 1, 1),
)  # fmt: skip


def test_the_same_detections_agree() -> None:
    detections = [[Detection("cat", 0.9, HERE)]]
    result = agreement(["a"], detections, detections, 0.5)
    assert (result.share, result.largest_absolute, result.differing) == (1.0, 0.0, [])


@pytest.mark.parametrize(
    "other",
    [
        [],
        [Detection("dog", 0.9, HERE)],
        [Detection("cat", 0.9, THERE)],
        [Detection("cat", 0.2, HERE)],
    ],
)
def test_an_image_with_a_detection_of_only_one_run_is_listed(other: list[Detection]) -> None:
    result = agreement(["a.jpg"], [[Detection("cat", 0.9, HERE)]], [other], 0.5)
    assert result.share < 1
    assert result.differing == ["a.jpg"]


def test_a_score_next_to_the_threshold_is_not_a_difference() -> None:
    first, second = [[Detection("cat", 0.501, HERE)]], [[Detection("cat", 0.499, HERE)]]
    result = agreement(["a"], first, second, 0.5)
    assert result.share == 1
    assert result.largest_absolute == pytest.approx(0.002)


def test_a_classifier_agrees_by_its_best_label() -> None:
    first = [[Detection("up", 0.6), Detection("down", 0.4)]]
    second = [[Detection("down", 0.51), Detection("up", 0.49)]]
    assert agreement(["a"], first, second, 0.5).share == 0
    assert agreement(["a"], first, first, 0.5).share == 1


@pytest.mark.parametrize(
    ("expected", "score", "share"),
    [
        ([Detection("smoke", 1.0)], 0.7, 1),
        ([Detection("smoke", 1.0)], 0.3, 0),
        ([Detection("smoke", 0.51)], 0.49, 1),
        ([Detection("clear", 1.0)], 0.3, 1),
        ([Detection("clear", 1.0)], 0.7, 0),
        ([], 0.3, 1),
        ([], 0.7, 0),
    ],
)
def test_a_classifier_with_one_label_agrees_by_its_score(
    expected: list[Detection], score: float, share: float
) -> None:
    result = agreement(["a"], [expected], [[Detection("smoke", score)]], 0.5)
    assert result.share == share
    assert result.differing == ([] if share else ["a"])


def test_scores_of_one_label_are_compared_if_there_is_no_threshold() -> None:
    first = [[Detection("smoke", 0.9)]]
    assert agreement(["a"], first, [[Detection("smoke", 0.88)]], 0).share == 1
    assert agreement(["a"], first, [[Detection("smoke", 0.2)]], 0).share == 0


@pytest.mark.parametrize(
    "right",
    [
        replace(SPEC, channel_order="BGR"),
        replace(SPEC, resize="tf1-bilinear"),
        replace(SPEC, scale=(1 / 255,) * 3),
        replace(SPEC, mean=(127.5,) * 3, scale=(1 / 127.5,) * 3),
        replace(SPEC, mean=(103.939, 116.779, 123.68), channel_order="BGR"),
    ],
)
def test_the_cause_is_found(right: InputSpec) -> None:
    cause = diagnose(SPEC, 0.2, lambda spec: 1.0 if spec == right else 0.2)
    assert cause is not None
    assert "agreement 100% instead of 20%" in cause
    changed = [
        description
        for description, is_changed in (
            ("channel order: BGR", right.channel_order != SPEC.channel_order),
            ("resize: tf1-bilinear", right.resize != SPEC.resize),
            ("scale and mean", right.scale != SPEC.scale or right.mean != SPEC.mean),
        )
        if is_changed
    ]
    assert all(description in cause for description in changed)


def test_there_is_no_diagnosis_if_no_change_helps() -> None:
    assert diagnose(SPEC, 0.9, lambda _: 0.92) is None


def test_no_other_scale_is_tried_for_a_graph_that_takes_bytes() -> None:
    titles = [title for title, _ in alternatives(replace(SPEC, dtype="uint8"))]
    assert len(titles) == 2


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1}', '[{"picture": "a"}]', "null"])
def test_the_error_of_another_format_contains_an_example(tmp_path: Path, text: str) -> None:
    file = tmp_path / "expected.json"
    file.write_text(text)
    with pytest.raises(SourceError, match="kitten"):
        read_expected(file)


def test_the_output_of_predict_can_be_expected(tmp_path: Path) -> None:
    file = tmp_path / "expected.json"
    box = {"ymin": 0.1, "xmin": 0.1, "ymax": 0.5, "xmax": 0.5}
    prediction = {"picture": "a.png", "detections": [{"label": "cat", "score": 0.9, "box": box}]}
    file.write_text(json.dumps([prediction]))
    assert read_expected(file) == {"a.png": [Detection("cat", 0.9, HERE)]}


def test_the_report_has_no_other_files_and_escapes_names(tmp_path: Path) -> None:
    image = tmp_path / "a<b>.png"
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(image)
    evil = [Detection("<script>", 0.9, HERE)]
    differ = agreement([image.name], [evil], [[]], 0.5)
    verification = Verification(
        name="m", version="1.0.0", digest="0" * 64, threshold=0.5,
        comparisons=[RunComparison("one and other", differ)],
        diagnosis="channel order: BGR instead of RGB",
        answers={image.name: {"one": evil, "other": []}},
    )  # fmt: skip
    page = report_page(verification, {image.name: image}, 0.01)
    assert "does not agree" in page
    assert "channel order" in page
    assert page.count("data:image/png;base64,") == 2
    assert "Next: correct the preprocessing" in page
    assert "<script" not in page
    assert not re.search(r"https?:", page)


def test_images_that_were_given_are_shown_although_every_run_agrees(tmp_path: Path) -> None:
    names = [f"{number:02}.png" for number in range(30)]
    for name in names:
        Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(tmp_path / name)
    cat, noise = Detection("cat", 0.9, HERE), Detection("dog", 0.1, HERE)
    runs: dict[str, list[list[Detection]]] = {"tensorflow": [[cat, noise]] * 30}
    runs["openvino f32"] = [[cat]] * 29 + [[]]
    differ = agreement(names, runs["tensorflow"], runs["openvino f32"], 0.5)
    comparisons = [RunComparison("openvino f32 and tensorflow", differ)]
    shown = _shown(names, comparisons)
    assert shown == ["29.png", *names[:23]]
    assert _shown([], []) == [], "generated noise is not shown"
    verification = Verification(
        name="m", version="1.0.0", digest="0" * 64, threshold=0.5, comparisons=comparisons,
        diagnosis=None,
        answers={
            name: {run: results[names.index(name)] for run, results in runs.items()}
            for name in shown
        },
    )  # fmt: skip
    page = report_page(verification, {name: tmp_path / name for name in names}, 0.5)
    assert page.count("data:image/png;base64,") == 48
    assert page.index("29.png: <span class=bad>differs") < page.index("00.png: <span class=good>")
    assert "24 of 30 images" in page
    assert 'alt="openvino f32: nothing"' in page
    assert "dog" not in page, "below the threshold"
    assert f"<code>deeplens release pin environments/dev.toml {'0' * 64}</code>" in page
    assert "engine = &quot;tensorflow" not in next_step(verification, 0.0)
    assert 'engine = "tensorflow"' in next_step(verification, 0.0)


def test_boxes_have_a_dark_outline_and_the_color_of_their_label() -> None:
    image = Image.new("RGB", (100, 100), "orange")
    box = {"ymin": 0.4, "xmin": 0.4, "ymax": 0.8, "xmax": 0.8}
    labels = [f"label-{number}" for number in range(13)]
    colors = set()
    for label in labels:
        drawn = draw_detections(image, [{"label": label, "score": 0.9, "box": box}], labels)
        assert drawn.getpixel((38, 60)) == drawn.getpixel((43, 60)) == (0, 0, 0)
        colors.add(drawn.getpixel((41, 60)))
    assert len(colors) == len(labels)


def unpacked(archive: Path, folder: Path) -> None:
    folder.mkdir()
    unpack_artifact(archive, folder)


def test_an_artifact_is_unpacked_and_checked(tmp_path: Path) -> None:
    unpacked(ARTIFACT, tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "manifest.json", "frozen_model.pb", "label_map.pbtxt",
    }  # fmt: skip


def test_an_artifact_with_other_members_than_its_manifest_is_rejected(tmp_path: Path) -> None:
    with zipfile.ZipFile(ARTIFACT) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    for number, change in enumerate(
        (
            content | {"extra": b""},
            content | {"../evil": b""},
            {name: data for name, data in content.items() if name != "label_map.pbtxt"},
        )
    ):
        file = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in change.items():
                archive.writestr(name, data)
        with pytest.raises(RefusedError, match="manifest and files differ"):
            unpacked(file, tmp_path / str(number))
        assert not list((tmp_path / str(number)).iterdir())


def test_a_changed_member_is_an_artifact_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(ARTIFACT) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    file = tmp_path / "changed.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data + b" " if name == "label_map.pbtxt" else data)
    with pytest.raises(ArtifactError, match="its manifest contains"):
        unpacked(file, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\3\4" + b"\0" * 40])
def test_another_file_is_not_an_artifact(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.zip"
    file.write_bytes(content)
    with pytest.raises(SourceError, match="is not an artifact"):
        unpacked(file, tmp_path / "out")
