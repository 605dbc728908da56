"""From pictures to a trained, exported classifier, with what is needed to package and to try it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from model_tools.progress import Progress
from model_tools.samples.headpose import data as data_sets
from model_tools.samples.headpose import export, training
from model_tools.samples.headpose.data import HeadPoses
from model_tools.samples.headpose.poses import LABELS
from model_tools.samples.headpose.training import Quality, TrainingOptions

_PICTURES_TO_TRY = 27


@dataclass(frozen=True)
class Trained:
    """Where everything is, and how good it is."""

    saved_model: Path
    archive: Path
    labels: Path
    report: Path
    pictures: Path
    quality: Quality


def build(
    data: HeadPoses,
    options: TrainingOptions,
    output: Path,
    version: int,
    progress: Progress,
) -> Trained:
    """Train, evaluate and export into `output`; a run that was ended goes on where it was.

    Args:
        data: what to learn from.
        options: how.
        output: folder; its `checkpoint/`, `logs/` and `history.csv` are training's own.
        version: number of the SavedModel's folder.
        progress: gets the phases, and each batch with its loss.
    """
    batches = -(-len(data.train_poses) // options.batch_size) * options.epochs
    progress.phase("training", batches, "batch")
    model = training.train(data, options, output, progress.step)
    progress.phase("evaluating on unseen images")
    quality = training.evaluate(model, data)
    progress.phase("exporting")
    saved_model = export.export(model, output, version)
    export.pack(output, output / export.ARCHIVE_NAME)
    training.write_report(output / "training.json", data, options, quality)
    labels = output / "labels.txt"
    labels.write_text("".join(f"{label}\n" for label in LABELS), encoding="utf-8")
    return Trained(
        saved_model=saved_model,
        archive=output / export.ARCHIVE_NAME,
        labels=labels,
        report=output / "training.json",
        pictures=_write_pictures(data, output / "pictures"),
        quality=quality,
    )


def read_or_draw(
    source: Path | None, output: Path, seed: int, count: int, progress: Callable[[int], None]
) -> HeadPoses:
    """Read a data set, or draw one of `count` training pictures and a fifth as many to test on.

    What was drawn is kept in `output`.

    Raises:
        SourceError, RefusedError, IsolationError: `source` cannot be read.
    """
    output.mkdir(parents=True, exist_ok=True)
    if source is not None:
        return data_sets.read(source, output)
    kept = output / f"drawn-{seed}-{count}.npz"
    if kept.is_file():
        return data_sets.read(kept, output)
    drawn = data_sets.draw(seed, count, count // 5, progress)
    unfinished = kept.with_name(f"unfinished-{kept.name}")
    data_sets.write_npz(drawn, unfinished)
    unfinished.replace(kept)
    return drawn


def _write_pictures(data: HeadPoses, folder: Path) -> Path:
    """Write test pictures for a virtual camera, each named by the pose that it shows."""
    folder.mkdir(exist_ok=True)
    for number in range(min(_PICTURES_TO_TRY, len(data.test_poses))):
        label = LABELS[data.test_poses[number]].replace(" ", "-")
        Image.fromarray(data.test_pictures[number]).save(folder / f"{number:02d}-{label}.png")
    return folder
