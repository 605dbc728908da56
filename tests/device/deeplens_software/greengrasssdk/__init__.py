"""A double of the message router of a DeepLens: messages are lines of a file.

Source: greengrasssdk 1.6.1, `client("iot-data").publish(topic, payload, queueFullPolicy)`.
"""

import base64
import json
from pathlib import Path


class _IotData:
    def publish(self, *, topic: str, payload: bytes, queueFullPolicy: str) -> None:  # noqa: N803 - the library's name
        assert queueFullPolicy == "AllOrException"
        line = json.dumps([topic, base64.b64encode(payload).decode()])
        with Path("published").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def client(name: str) -> _IotData:
    assert name == "iot-data"
    return _IotData()
