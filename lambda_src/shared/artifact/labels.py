"""Read and write label maps: the `.pbtxt` format of TensorFlow's Object Detection API.

Source: the API's message `StringIntLabelMap`.
"""

import unicodedata
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from shared.artifact.errors import LabelMapError

# The label map of ImageNet-21k (21,841 labels) has a size of about 2 MiB.
_LARGEST_CHARACTERS = 4 << 20
_LONGEST_NAME = 200
# Persian, Hindi and many emoji require the zero-width non-joiner and joiner.
_JOINERS = "\u200c\u200d"
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co"})


def parse_label_map(text: str, *, least_id: int = 1) -> dict[int, str]:
    """Return the labels by id; other fields of an item, such as `keypoints`, are ignored.

    Args:
        text: a label map.
        least_id: the lowest valid id: 1 in an artifact, 0 in files that count from 0.

    Raises:
        LabelMapError: the text is not a label map or has no item; an id is missing, repeated or
            too low; a name is missing or has control characters.
    """
    message = _label_map_class()()
    try:
        text_format.Parse(_of_readable_size(text), message, allow_unknown_field=True)
    except text_format.ParseError as error:
        raise LabelMapError(f"not a label map: {error}") from None
    labels: dict[int, str] = {}
    for item in message.item:
        label = item.display_name or item.name
        if not item.HasField("id"):
            raise LabelMapError(f"item {label[:40]!r} has no id; ids start at {least_id}")
        if item.id in labels:
            raise LabelMapError(f"id {item.id} is both {labels[item.id]!r} and {label!r}")
        labels[item.id] = label
    return checked_labels(labels, least_id=least_id)


def checked_labels(labels: dict[int, str], *, least_id: int = 1) -> dict[int, str]:
    """Check that a camera may publish the labels, and return them unchanged.

    Raises:
        LabelMapError: there are no labels, an id is too low, or a name is empty or not printable.
    """
    if not labels:
        raise LabelMapError("the label map has no item; it needs `item { id: 1 name: '…' }`")
    for identifier, name in labels.items():
        if identifier < least_id:
            raise LabelMapError(f"item {name[:40]!r} has id {identifier}; ids start at {least_id}")
        if reason := _rejection(name):
            raise LabelMapError(f"item {identifier} has no printable name: {name[:40]!r} {reason}")
    return labels


def write_label_map(labels: dict[int, str]) -> str:
    """Return `labels` as a label map, in the order of their ids.

    Raises:
        LabelMapError: the text would be longer than `parse_label_map` accepts.
    """
    message = _label_map_class()()
    for identifier, name in sorted(labels.items()):
        message.item.add(id=identifier, name=name)
    return _of_readable_size(str(text_format.MessageToString(message)))


def _of_readable_size(text: str) -> str:
    if len(text) > _LARGEST_CHARACTERS:
        raise LabelMapError(
            f"the label map has {len(text)} characters, at most {_LARGEST_CHARACTERS} are read"
        )
    return text


def _rejection(name: str) -> str | None:
    """Return the reason for which a name is rejected, or None if it is valid."""
    if len(name) > _LONGEST_NAME:
        return f"has {len(name)} characters; at most {_LONGEST_NAME} are published"
    for character in name:
        if character not in _JOINERS and unicodedata.category(character) in _UNPRINTABLE:
            return f"contains the character U+{ord(character):04X}"
    return None if name.strip(_JOINERS) else "is empty"


@cache
def _label_map_class() -> Any:
    """Build the protobuf class, because the Object Detection API is not a dependency."""
    file = descriptor_pb2.FileDescriptorProto(
        name="vision/string_int_label_map.proto", package="vision", syntax="proto2"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    item = file.message_type.add(name="StringIntLabelMapItem")
    for number, name, kind in (
        (1, "name", kinds.TYPE_STRING),
        (2, "id", kinds.TYPE_INT32),
        (3, "display_name", kinds.TYPE_STRING),
    ):
        item.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    label_map = file.message_type.add(name="StringIntLabelMap")
    label_map.field.add(
        name="item",
        number=1,
        type=kinds.TYPE_MESSAGE,
        type_name=".vision.StringIntLabelMapItem",
        label=kinds.LABEL_REPEATED,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("vision.StringIntLabelMap"))
