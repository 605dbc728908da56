"""TensorFlow's own protocol messages, without TensorFlow.

`import tensorflow` takes seconds and half a gigabyte. Its generated messages need nothing of that,
and files from outside are to be looked at before TensorFlow sees them.
"""

import importlib
import importlib.util
import sys
import types
from functools import cache
from typing import Any

_MODULES = {
    "Example": "example.example_pb2",
    "GraphDef": "framework.graph_pb2",
    "NodeDef": "framework.node_def_pb2",
    "AttrValue": "framework.attr_value_pb2",
    "OpList": "framework.op_def_pb2",
    "MetaGraphDef": "protobuf.meta_graph_pb2",
    "SavedModel": "protobuf.saved_model_pb2",
}


@cache
def message_class(name: str) -> Any:
    """Return the class of a message, such as `GraphDef`, from the installed TensorFlow."""
    module = f"tensorflow.core.{_MODULES[name]}"
    if "tensorflow" in sys.modules:
        return getattr(importlib.import_module(module), name)
    found = importlib.util.find_spec("tensorflow")
    if found is None or found.submodule_search_locations is None:
        raise ModuleNotFoundError("tensorflow is not installed")
    # A stand-in keeps TensorFlow's __init__ from running; it is gone before anybody else looks.
    stand_in = types.ModuleType("tensorflow")
    stand_in.__path__ = list(found.submodule_search_locations)
    sys.modules["tensorflow"] = stand_in
    try:
        return getattr(importlib.import_module(module), name)
    finally:
        for loaded in [key for key in sys.modules if key.split(".")[0] == "tensorflow"]:
            del sys.modules[loaded]
