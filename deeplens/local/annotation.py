"""Output of detections as text and as annotated images of the virtual camera."""

import json
from collections.abc import Iterable
from pathlib import Path

import click

from deeplens.local.emulator import ROOT
from shared.printable import printable
from shared.vision.images import open_image

ANNOTATED = ROOT / "build" / "demo"


def show_detections(payloads: Iterable[bytes], images: Path) -> None:
    """Print each detection message as it arrives, and save its image with the detections drawn."""
    from local_aws.devices.mqtt_subscription import describe  # noqa: PLC0415 - imports an MQTT client
    from model_tools.images import draw_detections  # noqa: PLC0415 - only the demo draws images

    ANNOTATED.mkdir(parents=True, exist_ok=True)
    # A dict keeps the order of arrival, so that a label has the same color on every image.
    labels: dict[str, None] = {}
    for payload in payloads:
        click.echo(f"  {printable(describe(payload))}")
        message = json.loads(payload)
        source = message["frame"]["source"]
        detections = message["detections"]
        labels |= dict.fromkeys(detection["label"] for detection in detections)
        image = open_image(images / source)
        draw_detections(image, detections, list(labels)).save(ANNOTATED / source)
