"""Data sets of head poses: drawn, or read from .npz, .tfrecord, or the pickle of the guide."""

import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools.errors import SourceError
from model_tools.samples.headpose import guide_pickle
from model_tools.samples.headpose.drawing import SIDE_PX, draw_heads
from model_tools.samples.headpose.poses import LABELS
from shared.artifact.archive import BROKEN_ZIP

PICKLE_NAME = "HeadPoseData_trn_test_x15_py2.pkl"

_NAMES = ("train_pictures", "train_poses", "test_pictures", "test_poses")
_PER_TASK = 90
_TEST_SHARE = 0.1
_LARGEST_NPZ_BYTES = 8 << 30

Images = npt.NDArray[np.uint8]
Poses = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HeadPoses:
    """Training and test data: images uint8 [n, 84, 84, 3], and poses int64 [n].

    `source` is the name of the file, or describes how the images were drawn.
    """

    train_pictures: Images
    train_poses: Poses
    test_pictures: Images
    test_poses: Poses
    source: str


def read(source: Path, workspace: Path) -> HeadPoses:
    """Read a data set: an .npz, a .tfrecord, the .pkl of the guide, or a folder with such a file.

    Args:
        source: a file or folder.
        workspace: an existing folder for converted data.

    Raises:
        SourceError, RefusedError, IsolationError: the data set cannot be read.
    """
    file = _file(source)
    if file.suffix == ".pkl":
        converted = workspace / f"{file.stem}.npz"
        if not converted.is_file():
            unfinished = converted.with_name(f"unfinished-{converted.name}")
            guide_pickle.convert(file, unfinished)
            unfinished.replace(converted)
        return _read_npz(converted, str(file.name))
    if file.suffix == ".npz":
        return _read_npz(file, file.name)
    return _read_tfrecords(file)


def draw(seed: int, train: int, test: int, progress: Callable[[int], None]) -> HeadPoses:
    """Draw a data set; training and test images are disjoint parts of one sequence.

    Args:
        seed: seed of all images.
        train: number of training images.
        test: number of test images.
        progress: called with the number of images drawn so far.
    """
    total = train + test
    starts = range(0, total, _PER_TASK)
    parts: list[tuple[Images, Poses]] = []
    with ProcessPoolExecutor(2) as pool:
        counts = [min(_PER_TASK, total - start) for start in starts]
        for part in pool.map(partial(draw_heads, seed), starts, counts):
            parts.append(part)
            progress(sum(len(poses) for _, poses in parts))
    pictures, poses = (np.concatenate(column) for column in zip(*parts, strict=True))
    return HeadPoses(
        pictures[:train], poses[:train], pictures[train:], poses[train:], f"drawn, seed {seed}"
    )


def write_npz(data: HeadPoses, file: Path) -> None:
    """Write a data set as .npz, for `read`."""
    np.savez_compressed(file, **{name: getattr(data, name) for name in _NAMES})


def _file(source: Path) -> Path:
    if source.is_dir():
        for pattern in (PICKLE_NAME, "*.npz", "train.tfrecord", "*.pkl"):
            files = sorted(source.rglob(pattern))
            if files:
                return files[0]
        raise SourceError(
            f"{source} does not contain a data set: expected an .npz, a .tfrecord or the .pkl"
        )
    if not source.is_file():
        raise SourceError(f"{source}: there is no such file or folder")
    if source.suffix not in {".pkl", ".npz", ".tfrecord"}:
        raise SourceError(
            f"{source} is not a data set: expected an .npz, a .tfrecord or the guide's .pkl"
        )
    return source


def _read_npz(file: Path, source: str) -> HeadPoses:
    try:
        with zipfile.ZipFile(file) as packed:
            size = sum(member.file_size for member in packed.infolist())
        if size > _LARGEST_NPZ_BYTES:
            raise SourceError(f"{file} unpacks to {size} bytes; the limit is {_LARGEST_NPZ_BYTES}")
        with np.load(file, allow_pickle=False) as arrays:
            missing = [name for name in _NAMES if name not in arrays]
            if missing:
                raise SourceError(f"{file} does not contain {', '.join(missing)}")
            parts = {name: arrays[name] for name in _NAMES}
    except BROKEN_ZIP as error:
        raise SourceError(f"{file} cannot be read: {error}") from None
    return _checked(file, source, **parts)


def _read_tfrecords(file: Path) -> HeadPoses:
    train = _records(file)
    test_file = file.with_name("test.tfrecord")
    if test_file.is_file() and test_file != file:
        test = _records(test_file)
    else:
        # Without a test file, images at regular intervals become the test data.
        chosen = np.arange(len(train[1])) % round(1 / _TEST_SHARE) == 0
        test = train[0][chosen], train[1][chosen]
        train = train[0][~chosen], train[1][~chosen]
    return _checked(
        file,
        file.name,
        train_pictures=train[0],
        train_poses=train[1],
        test_pictures=test[0],
        test_poses=test[1],
    )


def _records(file: Path) -> tuple[Images, Poses]:
    import tensorflow as tf  # noqa: PLC0415 - imports TensorFlow

    features = {
        "picture": tf.io.FixedLenFeature([], tf.string),
        "pose": tf.io.FixedLenFeature([], tf.int64),
    }
    pictures, poses = [], []
    try:
        for record in tf.data.TFRecordDataset(str(file)):
            example = tf.io.parse_single_example(record, features)
            raw = np.frombuffer(example["picture"].numpy(), np.uint8)
            pictures.append(raw.reshape(SIDE_PX, SIDE_PX, 3))
            poses.append(int(example["pose"]))
    except (tf.errors.OpError, ValueError) as error:
        first_line = str(error).partition("\n")[0]
        raise SourceError(f"{file} cannot be read: {first_line}") from None
    if not pictures:
        raise SourceError(f"{file} does not contain any images")
    return np.stack(pictures), np.array(poses, np.int64)


def _checked(file: Path, source: str, **parts: npt.NDArray[Any]) -> HeadPoses:
    for kind in ("train", "test"):
        pictures, poses = parts[f"{kind}_pictures"], parts[f"{kind}_poses"]
        if pictures.dtype != np.uint8 or pictures.shape[1:] != (SIDE_PX, SIDE_PX, 3):
            raise SourceError(
                f"{file}: {kind}_pictures are {pictures.dtype} {pictures.shape}, "
                f"expected uint8 [n, {SIDE_PX}, {SIDE_PX}, 3]"
            )
        if poses.shape != (len(pictures),) or poses.dtype.kind not in "iu":
            raise SourceError(
                f"{file}: {kind}_poses are {poses.dtype} {poses.shape}, expected one integer for "
                f"each of {len(pictures)} images"
            )
        if not len(poses) or poses.min() < 0 or poses.max() >= len(LABELS):
            raise SourceError(
                f"{file}: {kind}_poses are empty or out of range: expected integers from 0 to "
                f"{len(LABELS) - 1}"
            )
    return HeadPoses(**parts, source=source)
