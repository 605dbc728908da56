"""Settings of the function, from the environment that Greengrass gives it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from camera.errors import SettingsError


@dataclass(frozen=True)
class Settings:
    """Everything that the loop is told; durations in seconds, the threshold from 0 to 1."""

    thing: str
    function_arn: str
    artifact: Path
    model_directory: Path
    model_digest: str
    camera: str
    threshold: float
    topic: str
    frame_interval_seconds: float
    heartbeat_interval_seconds: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings.

        Raises:
            SettingsError: names the variable, what was given and what would work.
        """
        read = _Reader(environment)
        thing = read.text("AWS_IOT_THING_NAME")
        return cls(
            thing=thing,
            function_arn=environment.get("MY_FUNCTION_ARN", ""),
            artifact=Path(read.text("DEEPLENS_MODEL_ARTIFACT")),
            model_directory=Path(read.text("DEEPLENS_MODEL_DIRECTORY")),
            model_digest=read.text("DEEPLENS_MODEL_DIGEST"),
            camera=read.text("DEEPLENS_CAMERA"),
            threshold=read.number("DEEPLENS_THRESHOLD", 0.0, 1.0),
            topic=read.text("DEEPLENS_TOPIC").replace("{thing}", thing),
            frame_interval_seconds=read.number("DEEPLENS_FRAME_INTERVAL_SECONDS", 0.001, 3600.0),
            heartbeat_interval_seconds=read.number(
                "DEEPLENS_HEARTBEAT_INTERVAL_SECONDS", 0.1, 3600.0
            ),
        )


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str:
        value = self._environment.get(name, "")
        if not value:
            raise SettingsError(f"{name} is not set; the inference component's recipe sets it")
        return value

    def number(self, name: str, least: float, most: float) -> float:
        text = self.text(name)
        try:
            value = float(text)
        except ValueError:
            raise SettingsError(f"{name}: given {text!r}, expected a number") from None
        if not least <= value <= most:
            raise SettingsError(f"{name}: given {text}, expected {least:g} to {most:g}")
        return value
