"""Labels from the files that people have."""

from pathlib import Path

import pytest

from model_tools.errors import SourceError
from model_tools.labels import read_labels
from vision.errors import LabelMapError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "cat\nred panda\n"),
        ("labels.txt", "\ufeffcat\r\nred panda\r\n\r\n"),
        ("labels.json", '["cat", "red panda"]'),
        ("labels.json", '{"2": "red panda", "1": "cat"}'),
        (
            "labels.pbtxt",
            "item { id: 1 name: 'cat' } item { id: 2 name: 'x' display_name: 'red panda' }",
        ),
    ],
)  # fmt: skip
def test_every_format_gives_names_by_id_from_one(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8", newline="")
    assert read_labels(file) == {1: "cat", 2: "red panda"}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("labels.txt", b"", "has no item"),
        ("labels.txt", b"cat\n\ndog\n", "item 2 has no printable name"),
        ("labels.txt", b"cat\x1b[31m\n", "no printable name"),
        ("labels.txt", b"\xff\xfe", "is not UTF-8"),
        ("labels.txt", b"x" * (2 << 20), "is larger than"),
        ("labels.json", b"{", "not JSON"),
        ("labels.json", b"[" * 100_000, "not JSON"),
        ("labels.json", b'{"1": 2}', "expected"),
        ("labels.json", b'{"0": "cat"}', "ids start at 1"),
        ("labels.json", b'{"-1": "cat"}', "is no number from 1"),
        ("labels.json", b'{"99999999999": "cat"}', "is no number from 1"),
        ("labels.json", b'{"1": "cat", "1": "dog"}', "is there twice"),
        ("labels.json", b'{"1": "cat", "01": "dog"}', "is no number from 1"),
        ("labels.pbtxt", b"item { id: 1 ", "not a label map"),
    ],
)
def test_a_broken_label_file_is_one_error_that_names_it(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises((SourceError, LabelMapError), match=expected) as error:
        read_labels(file)
    assert name in str(error.value)


def test_an_absent_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        read_labels(tmp_path / "none.txt")
