"""`package` rejects a model that no camera can run, in one sentence with an alternative."""

import pytest

from model_tools.artifact.infer import PackageRequest, describe
from model_tools.errors import ModelToolsError
from model_tools.freezing.folder import FrozenDetails
from model_tools.sources.tensors import TensorSpec

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
        (details(("float32", (None, 8, 8, 1))), r"images of 3 channels, .* \[\?, 8, 8, 1\]"),
        (details(("float32", (None, 1, 8, 8))), "images of 3 channels"),
        (details(("float32", (None, 8, 8, 4))), "images of 3 channels"),
        (details(("int32", IMAGE)), "gives uint8 or float32, .* int32 .*: put a cast in front"),
        (details(("float16", IMAGE)), "gives uint8 or float32, .* float16 .*"),
        (details(("object", (None,))), "one image at a time"),
        (details(("float32", (None, 8, 3))), "one image at a time"),
        (details(("float32", (4, 8, 8, 3))), r"one image at a time, .* \[4, 8, 8, 3\]"),
        (details(("float32", None)), "one image at a time, .* of any shape"),
        (details(("float32", IMAGE), ("float32", (None, 4))), "input0, input1: .*--set NAME=VALUE"),
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
        describe(frozen, request, shown="softmax")
    assert "\n" not in str(error.value)


def test_channels_first_and_open_sides_are_taken() -> None:
    request = PackageRequest(name="m", version="1.0.0", threshold=0.5)
    for sides, layout in (((1, 3, 8, 8), "NCHW"), ((None, None, None, 3), "NHWC")):
        described = describe(details(("uint8", sides)), request, shown="softmax")
        assert described.input.layout == layout
