"""Label maps: the `.pbtxt` format of TensorFlow's Object Detection API (StringIntLabelMap)."""

import unicodedata
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from vision.errors import LabelMapError

_LARGEST_CHARACTERS = 1 << 20
_LONGEST_NAME = 200


def parse_label_map(text: str) -> dict[int, str]:
    """Return the labels by id.

    Raises:
        LabelMapError: not a label map, no item, an id that is missing, repeated or below 1, or
            a name that is missing or has control characters.
    """
    if len(text) > _LARGEST_CHARACTERS:
        raise LabelMapError(
            f"the label map has {len(text)} characters, at most {_LARGEST_CHARACTERS} are read"
        )
    message = _label_map_class()()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        raise LabelMapError(f"not a label map: {error}") from None
    labels: dict[int, str] = {}
    for item in message.item:
        label = item.display_name or item.name
        if item.id < 1:
            raise LabelMapError(f"item {label!r} has id {item.id}; ids start at 1")
        if item.id in labels:
            raise LabelMapError(f"id {item.id} is both {labels[item.id]!r} and {label!r}")
        if not label or len(label) > _LONGEST_NAME or _has_control_characters(label):
            raise LabelMapError(f"item {item.id} has no printable name: {label[:40]!r}")
        labels[item.id] = label
    if not labels:
        raise LabelMapError("the label map has no item; it needs `item { id: 1 name: '…' }`")
    return labels


def write_label_map(labels: dict[int, str]) -> str:
    """Return `labels` as a label map, in the order of their ids."""
    message = _label_map_class()()
    for identifier, name in sorted(labels.items()):
        message.item.add(id=identifier, name=name)
    return str(text_format.MessageToString(message))


def _has_control_characters(text: str) -> bool:
    return any(unicodedata.category(character).startswith("C") for character in text)


@cache
def _label_map_class() -> Any:
    """The message type, described here: the Object Detection API is not a dependency."""
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
