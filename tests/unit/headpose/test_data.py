"""Drawn head poses, and data sets in every format, including malicious files."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.errors import ModelToolsError, RefusedError, SourceError
from model_tools.samples.headpose import data
from model_tools.samples.headpose.data import HeadPoses
from model_tools.samples.headpose.drawing import SIDE_PX, draw_heads
from model_tools.samples.headpose.poses import LABELS, mirrored, pose_of


@pytest.fixture(scope="module")
def heads() -> HeadPoses:
    pictures, poses = draw_heads(1, 0, 27)
    return HeadPoses(pictures[:18], poses[:18], pictures[18:], poses[18:], "drawn")


def test_the_same_seed_draws_the_same_heads_wherever_it_begins() -> None:
    whole, poses = draw_heads(3, 0, 12)
    part, part_poses = draw_heads(3, 9, 3)
    assert np.array_equal(whole[9:], part)
    assert np.array_equal(poses[9:], part_poses)
    assert whole.shape == (12, SIDE_PX, SIDE_PX, 3)
    assert whole.dtype == np.uint8


@pytest.mark.parametrize(
    ("tilt", "pan", "label"),
    [
        (0.0, 0.0, "ahead level"),
        (0.5, 0.0, "ahead up"),
        (-0.5, -0.9, "left down"),
        (0.2, 0.22, "right level"),
        (-0.22, 0.2, "ahead down"),
    ],
)
def test_angles_become_the_classes_of_the_guide(tilt: float, pan: float, label: str) -> None:
    assert LABELS[pose_of(np.array([[tilt, pan]]))[0]] == label


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_the_mirror_image_of_a_pose_has_the_other_pan(tilt: float, pan: float) -> None:
    pose = pose_of(np.array([[tilt, pan]]))
    if abs(abs(pan) - 0.21630) > 1e-3:
        assert mirrored(pose) == pose_of(np.array([[tilt, -pan]]))
    assert mirrored(mirrored(pose)) == pose


def same(first: HeadPoses, second: HeadPoses) -> bool:
    names = ("train_pictures", "train_poses", "test_pictures", "test_poses")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def write_tfrecords(data: HeadPoses, folder: Path) -> None:
    """Write train.tfrecord and test.tfrecord as docs/headpose.md describes them."""
    import tensorflow as tf  # noqa: PLC0415 - the import loads TensorFlow

    def feature(picture: np.ndarray, pose: int) -> Any:
        return tf.train.Example(
            features=tf.train.Features(
                feature={
                    "picture": tf.train.Feature(
                        bytes_list=tf.train.BytesList(value=[picture.tobytes()])
                    ),
                    "pose": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(pose)])),
                }
            )
        )

    for name, pictures, poses in (
        ("train", data.train_pictures, data.train_poses),
        ("test", data.test_pictures, data.test_poses),
    ):
        with tf.io.TFRecordWriter(str(folder / f"{name}.tfrecord")) as writer:
            for picture, pose in zip(pictures, poses, strict=True):
                writer.write(feature(picture, pose).SerializeToString())


@pytest.mark.process
def test_what_is_written_as_npz_or_tfrecord_is_read_again(tmp_path: Path, heads: HeadPoses) -> None:
    data.write_npz(heads, tmp_path / "heads.npz")
    assert same(data.read(tmp_path / "heads.npz", tmp_path), heads)
    records = tmp_path / "records"
    records.mkdir()
    write_tfrecords(heads, records)
    assert same(data.read(records, tmp_path), heads)


def guide(heads: HeadPoses) -> tuple[object, ...]:
    """Return the DeepLens guide's arrays: float images of shape (n, 3, 84, 84), tilt and pan."""
    angles = np.array([[tilt, pan] for pan in (-0.5, 0, 0.5) for tilt in (-0.5, 0, 0.5)])
    return (
        heads.train_pictures.transpose(0, 3, 1, 2) / 255.0,
        heads.test_pictures.transpose(0, 3, 1, 2) / 255.0,
        angles[heads.train_poses],
        angles[heads.test_poses],
    )


@pytest.mark.process
def test_the_guides_own_pickle_of_python_2_is_read(tmp_path: Path, heads: HeadPoses) -> None:
    content = pickle.dumps(guide(heads), protocol=2)
    # In NumPy for Python 2, the module has this name.
    content = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    (tmp_path / data.PICKLE_NAME).write_bytes(content)
    work = tmp_path / "work"
    work.mkdir()
    assert same(data.read(tmp_path, work), heads)


class Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os  # noqa: PLC0415 - the attack uses the module

        return os.system, ("touch owned",)


@pytest.mark.process
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (pickle.dumps(Attack()), "pickle-name: the pickle names posix.system"),
        (pickle.dumps(np.array([object()])), "pickle-name: the pickle names builtins.object"),
        (pickle.dumps((np.zeros((2, 3, 9, 9)),) * 4), r"expected images \[n, 3, 84, 84\]"),
        (pickle.dumps([1, 2, 3, 4]), "expected an array of numbers"),
        (pickle.dumps({"a": 1}), "expected 4 arrays"),
        (b"not a pickle", "is not a pickle of arrays"),
        (b"", "is not a pickle of arrays"),
    ],
)
def test_a_pickle_that_is_more_or_less_than_arrays_is_refused(
    tmp_path: Path, content: bytes, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heads.pkl").write_bytes(content)
    with pytest.raises(ModelToolsError, match=expected):
        data.read(tmp_path / "heads.pkl", tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["heads.pkl"]


@pytest.mark.process
def test_angles_beyond_a_quarter_turn_are_refused(tmp_path: Path, heads: HeadPoses) -> None:
    parts = list(guide(heads))
    parts[2] = np.full((18, 2), np.nan)
    (tmp_path / "heads.pkl").write_bytes(pickle.dumps(tuple(parts)))
    with pytest.raises(RefusedError, match=r"expected angles \[18, 2\] from -1 to 1"):
        data.read(tmp_path / "heads.pkl", tmp_path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"train_poses": np.full(18, 9)},
            "train_poses are empty or out of range: expected integers from 0 to 8",
        ),
        ({"test_poses": np.zeros(3, int)}, "expected one integer for each of"),
        ({"train_pictures": np.zeros((18, 84, 84, 3))}, "expected uint8"),
        ({"test_pictures": None}, "does not contain test_pictures"),
    ],
)
def test_an_npz_that_does_not_fit_is_one_error(
    tmp_path: Path, heads: HeadPoses, change: dict[str, object], expected: str
) -> None:
    names = ("train_pictures", "train_poses", "test_pictures", "test_poses")
    arrays = {name: getattr(heads, name) for name in names} | change
    given = {name: array for name, array in arrays.items() if array is not None}
    np.savez(tmp_path / "heads.npz", **given)
    with pytest.raises(SourceError, match=expected):
        data.read(tmp_path / "heads.npz", tmp_path)


@pytest.mark.process
def test_a_folder_or_file_without_a_data_set_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not contain a data set"):
        data.read(tmp_path, tmp_path)
    with pytest.raises(SourceError, match="no such file"):
        data.read(tmp_path / "gone.npz", tmp_path)
    (tmp_path / "heads.csv").touch()
    with pytest.raises(SourceError, match=r"expected an \.npz"):
        data.read(tmp_path / "heads.csv", tmp_path)
    (tmp_path / "train.tfrecord").write_bytes(b"broken" * 100)
    with pytest.raises(SourceError, match="cannot be read"):
        data.read(tmp_path, tmp_path)
