"""`package` rejects a model that no camera can run, and proposes an alternative."""

import pytest

from model_tools.artifact.infer import PackageRequest, infer_description
from model_tools.errors import ModelToolsError
from model_tools.formats.tensors import TensorSpec
from model_tools.freezing.frozen_model import FrozenDetails

Sides = tuple[int | None, ...] | None
IMAGE: Sides = (None, 8, 8, 3)
SCORES: Sides = (None, 2)


def details(
    *inputs: tuple[str, Sides], output: tuple[str, Sides] = ("float32", SCORES)
) -> FrozenDetails:
    return FrozenDetails(
        sha256="0" * 64,
        inputs={
            f"input{number}": TensorSpec(f"input{number}:0", dtype, sides)
            for number, (dtype, sides) in enumerate(inputs)
        },
        outputs={"scores": TensorSpec("scores:0", *output)},
        consumer="tensorflow",
        parity={},
        provenance={},
    )


@pytest.mark.parametrize(
    ("frozen", "expected"),
    [
        (details(("float32", (None, 8, 8, 1))), r"\[\?, 8, 8, 1\] .* 3 channels"),
        (details(("float32", (None, 1, 8, 8))), "3 channels"),
        (details(("float32", (None, 8, 8, 4))), "3 channels"),
        (details(("int32", IMAGE)), " int32 .* uint8 or float32; prepend a cast"),
        (details(("float16", IMAGE)), " float16 .* uint8 or float32"),
        (details(("object", (None,))), "expected one image"),
        (details(("float32", (None, 8, 3))), "expected one image"),
        (details(("float32", (4, 8, 8, 3))), r"\[4, 8, 8, 3\] .* one image"),
        (details(("float32", None)), "of any shape .* one image"),
        (
            details(("float32", IMAGE), ("float32", (None, 4))),
            "input0, input1 .*--set NAME=VALUE",
        ),
        (details(("float32", IMAGE), output=("float32", (None, 8, 8, 2))), r"\[images, classes\]"),
        (details(("float32", IMAGE), output=("float32", (None, 100, 6))), r"\[images, classes\]"),
        (details(("float32", IMAGE), output=("int64", (None,))), r"\[images, classes\]"),
        (details(("float32", IMAGE), output=("float16", (None, 3))), "append a cast"),
    ],
)
def test_a_model_that_no_camera_can_run_is_rejected(frozen: FrozenDetails, expected: str) -> None:
    request = PackageRequest(
        name="m", version="1.0.0", threshold=0.5, mean=(0, 0, 0), scale=(1, 1, 1)
    )
    with pytest.raises(ModelToolsError, match=expected) as error:
        infer_description(frozen, request, last_activation="softmax")
    assert "\n" not in str(error.value)


def test_channels_first_and_open_sides_are_accepted() -> None:
    request = PackageRequest(name="m", version="1.0.0", threshold=0.5)
    for sides, layout in (((1, 3, 8, 8), "NCHW"), ((None, None, None, 3), "NHWC")):
        described = infer_description(details(("uint8", sides)), request, last_activation="softmax")
        assert described.input.layout == layout
