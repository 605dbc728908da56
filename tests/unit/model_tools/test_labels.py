"""Labels are read from usual file formats."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from model_tools.artifact.labels import numbered_from_one, read_labels
from model_tools.errors import SourceError
from shared.artifact.errors import LabelMapError
from shared.artifact.labels import write_label_map
from shared.artifact.manifest import IMAGE_CLASSIFICATION, OBJECT_DETECTION

# Valid labels of a text file: without control characters and surrounding spaces.
NAMES = st.lists(
    st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=30).filter(
        lambda name: name == name.strip()
    ),
    min_size=1,
    max_size=30,
)


def read(name: str, content: str | bytes) -> dict[int, str]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_labels(file)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "cat\nred panda\n"),
        ("coco.names", "cat\nred panda"),
        ("labels", "cat\nred panda\n"),
        ("labels.TXT", "\ufeffcat\r\nred panda\r\n\r\n"),
        ("labels.txt", "1 cat\n2 red panda\n"),
        ("labels.txt", "1: cat\n2: red panda\n"),
        ("labels.json", '["cat", "red panda"]'),
        ("labels.json", '\ufeff["cat", "red panda"]'),
        ("labels.json", '{"2": "red panda", "1": "cat"}'),
        ("labels.json", '{"red panda": 2, "cat": 1}'),
        (
            "labels.pbtxt",
            "item { id: 1 name: 'cat' } item { id: 2 name: 'x' display_name: 'red panda' }",
        ),
        ("labels.pbtxt", "\ufeffitem { id: 1 name: 'cat' }\r\nitem { id: 2 name: 'red panda' }"),
    ],
)  # fmt: skip
def test_every_format_gives_names_by_id_from_one(name: str, text: str) -> None:
    assert read(name, text) == {1: "cat", 2: "red panda"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "0 With Mask\n1 Without Mask\n"),
        ("labels.json", '{"0": "With Mask", "1": "Without Mask"}'),
        ("class_indices.json", '{"With Mask": 0, "Without Mask": 1}'),
        ("imagenet_class_index.json", '{"0": ["n1", "With Mask"], "1": ["n2", "Without Mask"]}'),
        ("labels.pbtxt", "item { id: 0 name: 'With Mask' } item { id: 1 name: 'Without Mask' }"),
    ],
)
def test_labels_from_zero_are_a_classifiers_outputs_in_order(name: str, text: str) -> None:
    labels = read(name, text)
    assert labels == {0: "With Mask", 1: "Without Mask"}
    assert numbered_from_one(labels, IMAGE_CLASSIFICATION) == {1: "With Mask", 2: "Without Mask"}
    with pytest.raises(SourceError, match="'With Mask'; a detector numbers its classes from 1"):
        numbered_from_one(labels, OBJECT_DETECTION)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "background\nperson\n"),
        ("labels.txt", "???\nperson\n"),
        ("labels.txt", "0  background\n1  person\n"),
        ("labels.json", '["background", "person"]'),
        ("labels.pbtxt", "item { id: 0 name: 'background' } item { id: 1 name: 'person' }"),
    ],
)
def test_a_detector_never_reports_the_background(name: str, text: str) -> None:
    labels = read(name, text)
    assert numbered_from_one(labels, OBJECT_DETECTION) == {1: "person"}
    assert numbered_from_one(labels, IMAGE_CLASSIFICATION) == {1: labels[0], 2: "person"}


def test_a_detector_needs_an_object() -> None:
    with pytest.raises(SourceError, match="needs one for an object"):
        numbered_from_one({0: "background"}, OBJECT_DETECTION)


def test_numbers_of_lines_may_have_gaps() -> None:
    assert read("coco.txt", "0  person\n1  bicycle\n9 boat\n") == {
        0: "person",
        1: "bicycle",
        9: "boat",
    }


@pytest.mark.parametrize(
    "lines",
    [
        ["0", "1", "2"],
        ["737 Boeing", "320 Airbus"],
        ["1 cent", "2 cent", "5 cent", "1 euro"],
        ["1 cent", "2 cent", "3 cent"],
        ["1 dog", "cat"],
        ["100 m", "200 m"],
    ],
)
def test_numbers_that_belong_to_names_stay_there(lines: list[str]) -> None:
    assert read("labels.txt", "\n".join(lines)) == dict(enumerate(lines, start=1))


def test_two_of_many_numbered_lines_may_be_alike() -> None:
    assert read("imagenet.txt", "0 tench\n1 crane\n2 goldfish\n3 crane\n") == {
        0: "tench",
        1: "crane",
        2: "goldfish",
        3: "crane",
    }


def test_a_line_ends_at_a_line_feed_only() -> None:
    assert read("labels.txt", "a\u2028b\nc\u2029d\n") == {1: "a\u2028b", 2: "c\u2029d"}


def test_imagenet_21k_is_read() -> None:
    names = [f"name {number}, a synonym of it" for number in range(21_841)]
    assert read("imagenet21k.txt", "\n".join(names)) == dict(enumerate(names, start=1))


@given(NAMES)
def test_names_survive_every_format(names: list[str]) -> None:
    first = 0 if names[0].lower() in {"background", "???"} else 1
    labels = dict(enumerate(names, start=first))
    assert read("labels.json", json.dumps(names)) == labels
    assert read("labels.json", json.dumps(labels, ensure_ascii=False)) == labels
    assert read("labels.json", json.dumps({str(key): ["n1", labels[key]] for key in labels}))
    assert read("labels.pbtxt", write_label_map(labels)) == labels
    numbered = "".join(f"{key} {name}\r\n" for key, name in labels.items())
    if len(set(names)) == len(names):
        assert (
            read("labels.json", json.dumps({name: key for key, name in labels.items()})) == labels
        )
        assert read("labels.txt", numbered) == labels


@given(NAMES)
def test_names_survive_lines(names: list[str]) -> None:
    # These lines would be read as numbered labels or as another format.
    assume(not names[0][0].isdecimal() and names[0][0] not in "{[")
    first = 0 if names[0].lower() in {"background", "???"} else 1
    labels = dict(enumerate(names, start=first))
    assert read("labels.txt", "\n".join(names)) == labels
    assert read("labels.txt", "\ufeff" + "\r\n".join(names) + "\r\n") == labels


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("labels.txt", b"", "has no item"),
        ("labels.txt", b"\n\n", "has no item"),
        ("labels.txt", b"cat\n\ndog\n", "item 2 has no printable name"),
        ("labels.txt", b"1 cat\n\n2 dog\n", "item 2 has no printable name"),
        ("labels.txt", b"cat\x1b[31m\n", r"no printable name: 'cat\\x1b\[31m' contains .* U\+001B"),
        ("labels.txt", b"cat\rdog\r", r"U\+000D"),
        ("labels.txt", b"\xff\xfe", "is not UTF-8"),
        ("labels.txt", b"x" * (5 << 20), "is larger than"),
        ("labels.txt", b"item { id: 1 name: 'cat' }", "rename the file to end with .pbtxt"),
        ("labels.txt", b'["cat", "dog"]', "rename the file to end with .json"),
        ("labels.csv", b"id,name\n1,cat\n", ".csv is not a format of labels: expected a label map"),
        ("labels.yaml", b"names: [cat]\n", ".yaml is not a format of labels"),
        ("labels.yml", b"names: [cat]\n", ".yml is not a format of labels"),
        ("labels.tsv", b"1\tcat\n", ".tsv is not a format of labels"),
        ("labels.json", b"{", "not JSON"),
        ("labels.json", b"[" * 100_000, "not JSON"),
        ("labels.json", b"[]", "has no item"),
        ("labels.json", b"{}", "has no item"),
        ("labels.json", b'"cat"', "expected"),
        ("labels.json", b'{"1": 2.5}', "expected"),
        ("labels.json", b'{"cat": true}', "expected"),
        ("labels.json", b'{"1": ["n1", "cat"], "2": "dog"}', "expected"),
        ("labels.json", b'[{"id": 1, "name": "cat"}]', "expected"),
        ("labels.json", b'["\\ud800"]', "lone surrogate"),
        ("labels.json", b'{"-1": "cat"}', "is not a valid id"),
        ("labels.json", b'{"99999999999": "cat"}', "is not a valid id"),
        ("labels.json", b'{"1": "cat", "1": "dog"}', "duplicate key"),
        ("labels.json", b'{"1": "cat", "01": "dog"}', "is not a valid id"),
        ("labels.json", b'{"cat": 0, "dog": 0}', "two names have the same index"),
        ("labels.json", b'{"cat": -1}', "is not a valid index"),
        ("labels.pbtxt", b"item { id: 1 ", "not a label map"),
        ("labels.pbtxt", b"item { name: 'cat' }", "item 'cat' has no id"),
        ("labels.pbtxt", rb"item { id: 1 name: '\355\240\200' }", "label map|printable"),
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
