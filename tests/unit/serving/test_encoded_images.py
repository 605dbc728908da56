"""The size of images in a request is checked before the model decodes them."""

import base64

import pytest

from model_tools.errors import SourceError
from model_tools.formats.tensors import TensorSpec
from model_tools.images import image_limit
from model_tools.serving.http_types import RequestError
from model_tools.serving.json_tensors import read_bytes, read_tensor
from tests.unit.vision.encoded_images import LARGE, encoded


def in_json(content: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(content).decode()}


@pytest.mark.parametrize("kind", LARGE)
def test_an_image_above_the_limit_is_an_error_of_the_client(kind: str) -> None:
    spec = TensorSpec("image_bytes:0", "object", (None,))
    value = [in_json(encoded("PNG")), in_json(LARGE[kind])]
    with pytest.raises(RequestError, match=r"too large: .* above the limit of 16 mega") as raised:
        read_tensor("image_bytes", value, spec)
    assert raised.value.status == 400


def test_other_bytes_reach_the_model() -> None:
    for content in (b"", b"\xff\xd8\xff", encoded("GIF"), encoded("JPEG")):
        assert read_bytes(in_json(content)) == content


def test_a_variable_changes_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    content = in_json(encoded("PNG", (1001, 1000)))
    assert read_bytes(content)
    monkeypatch.setenv("MODEL_TOOLS_MEGAPIXELS", "1")
    with pytest.raises(RequestError, match="MODEL_TOOLS_MEGAPIXELS changes it, up to 89"):
        read_bytes(content)
    monkeypatch.setenv("MODEL_TOOLS_MEGAPIXELS", "many")
    with pytest.raises(SourceError, match="expected an integer from 1 to 89"):
        image_limit()
