"""Write scenes for a virtual camera: larger images, with labels and boxes."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from model_tools.samples.shapes.drawing import LABELS, draw_image

WIDTH_PX, HEIGHT_PX = 512, 384


def write_scenes(folder: Path, count: int, seed: int) -> None:
    """Draw `count` scenes into `folder`, and `scenes.json` with labels and boxes (0 to 1)."""
    folder.mkdir(parents=True, exist_ok=True)
    # Training and evaluation draw from other sequences.
    random = np.random.default_rng([seed, 2])
    truth = {}
    for number in range(1, count + 1):
        image, shapes = draw_image(random, WIDTH_PX, HEIGHT_PX)
        name = f"scene-{number:04d}.png"
        Image.fromarray(image).save(folder / name)
        truth[name] = [
            {
                "label": LABELS[shape.kind],
                "box": {
                    "ymin": shape.box[0] / HEIGHT_PX,
                    "xmin": shape.box[1] / WIDTH_PX,
                    "ymax": shape.box[2] / HEIGHT_PX,
                    "xmax": shape.box[3] / WIDTH_PX,
                },
            }
            for shape in shapes
        ]
    (folder / "scenes.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
