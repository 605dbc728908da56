"""A model description for tests of `package`."""

from dataclasses import replace
from typing import Any

from model_tools.artifact.manifest_writer import ModelDescription
from shared.artifact.manifest import DETECTION_OUTPUTS, InputSpec, OutputSpec


def detector(**changes: Any) -> ModelDescription:
    description = ModelDescription(
        name="m",
        version="1.0.0",
        task="object-detection",
        input=InputSpec(
            name="image_tensor:0",
            dtype="uint8",
            layout="NHWC",
            width_px=4,
            height_px=4,
            channel_order="RGB",
            resize="bilinear",
            mean=(0, 0, 0),
            scale=(1, 1, 1),
        ),
        outputs={role: OutputSpec(f"{role}:0", "float32", (1, None)) for role in DETECTION_OUTPUTS},
        threshold=0.5,
        provenance={},
    )
    return replace(description, **changes)
