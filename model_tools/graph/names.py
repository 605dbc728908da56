"""Names of nodes and tensors in a GraphDef."""

import re

_INDEX = re.compile(r"[0-9]{1,9}")
_NODE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")


def node_name(reference: str) -> str:
    """Return the node of an input reference: `^a`, `a`, `a:1` and `a:output:0` are all node a."""
    return reference.removeprefix("^").split(":", 1)[0]


def output_index(reference: str) -> int:
    """Return the index of the output that a reference names; `a` is output 0."""
    _, _, index = reference.rpartition(":")
    return int(index) if ":" in reference and _INDEX.fullmatch(index) else 0


def tensor_name(reference: str) -> str:
    """Return the full name of a tensor: `a` and `a:0` are both `a:0`."""
    return f"{node_name(reference)}:{output_index(reference)}"


def is_node_name(text: str) -> bool:
    """Return whether TensorFlow accepts `text` as the name of a node."""
    return _NODE.fullmatch(text) is not None


def as_reference(tensor: str) -> str:
    """Return the canonical input reference of a tensor: output 0 has no index."""
    return tensor.removesuffix(":0")
