"""The settings of the function, read from its environment variables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from camera.dynamic_settings import (
    FRAME_INTERVAL_RANGE_SECONDS,
    THRESHOLD_RANGE,
    DynamicSettings,
    quoted,
)
from camera.engine_selection import ENGINE_DEVICES, ENGINES, default_engine
from camera.errors import SettingsError
from camera.signature_check import OWNER_KEYS, SignatureSettings
from shared.artifact.errors import ArtifactError
from shared.signatures import TrustedKeys
from shared.vision.images import ImageLimit

_THING = re.compile(r"[A-Za-z0-9:_-]{1,128}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NOT_IN_A_TOPIC = re.compile(r"[+#{}\s\x00-\x1f]")
_LONGEST_TOPIC_BYTES = 256
_MAX_TOPIC_SLASHES = 7
_PORT = re.compile(r"[0-9]{1,5}")
_LARGEST_PORT = 65535
_MEGAPIXELS = "DEEPLENS_MAX_MEGAPIXELS"
_IMAGE_LIMIT = ImageLimit(setting=_MEGAPIXELS)
_PUBLISHERS = ("greengrass", "greengrasssdk")
# Greengrass starts the function in the component's work folder.
_STATE_DIRECTORY = Path("state")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of the loop; durations in seconds, the threshold from 0 to 1."""

    thing: str
    # None outside Greengrass.
    function_arn: str | None
    artifact: Path
    model_directory: Path
    # SHA-256 of the artifact, lower-case hex.
    model_digest: str
    # A kind and its location, for example "folder:camera".
    camera: str
    # An element of `ENGINES`.
    engine: str
    topic: str
    heartbeat_interval_seconds: float
    # The initial values; the thing's shadow changes them.
    dynamic: DynamicSettings
    # The folder that contains the spool and the last working model.
    state_directory: Path = _STATE_DIRECTORY
    # The library that publishes messages.
    publisher: str = "greengrass"
    # An element of `ENGINE_DEVICES`.
    engine_device: str = "auto"
    # None if the live view is disabled.
    live_view_port: int | None = None
    # Larger frames are not decoded.
    image_limit: ImageLimit = _IMAGE_LIMIT
    # None if releases require no signature.
    signatures: SignatureSettings | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read and check every setting.

        Raises:
            SettingsError: a setting is invalid; the message contains the variable, its value, and
                the values that work.
        """
        thing = thing_name(environment)
        return cls(
            thing=thing,
            function_arn=environment.get("MY_FUNCTION_ARN") or None,
            artifact=_path(environment, "DEEPLENS_MODEL_ARTIFACT"),
            model_directory=_path(environment, "DEEPLENS_MODEL_DIRECTORY"),
            model_digest=_matching(
                environment, "DEEPLENS_MODEL_DIGEST", _DIGEST, "64 lower-case hex digits"
            ),
            camera=_text(environment, "DEEPLENS_CAMERA"),
            engine=engine_name(environment),
            engine_device=_choice(environment, "DEEPLENS_ENGINE_DEVICE", ENGINE_DEVICES),
            topic=_topic(environment, thing),
            heartbeat_interval_seconds=_number(
                environment, "DEEPLENS_HEARTBEAT_INTERVAL_SECONDS", 1.0, 3600.0
            ),
            dynamic=DynamicSettings(
                threshold=_number(environment, "DEEPLENS_THRESHOLD", *THRESHOLD_RANGE),
                frame_interval_seconds=_number(
                    environment, "DEEPLENS_FRAME_INTERVAL_SECONDS", *FRAME_INTERVAL_RANGE_SECONDS
                ),
            ),
            publisher=_choice(environment, "DEEPLENS_PUBLISHER", _PUBLISHERS),
            live_view_port=_port(environment, "DEEPLENS_LIVE_VIEW_PORT"),
            image_limit=_image_limit(environment, _MEGAPIXELS),
            signatures=_signatures(environment),
        )


def thing_name(environment: Mapping[str, str]) -> str:
    """Return the camera's thing name; raise `SettingsError` if it is missing or invalid."""
    return _matching(
        environment, "AWS_IOT_THING_NAME", _THING, "1 to 128 letters, digits, ':', '_' or '-'"
    )


def engine_name(environment: Mapping[str, str]) -> str:
    """Return the engine that runs the model; raise `SettingsError` if the engine does not exist."""
    return _choice(environment, "DEEPLENS_ENGINE", ENGINES, default=default_engine())


def _signatures(environment: Mapping[str, str]) -> SignatureSettings | None:
    """Read the signature settings, which a device with its owner's keys requires."""
    keys = environment.get("DEEPLENS_TRUSTED_KEYS", "")
    if not keys and not OWNER_KEYS.is_file():
        return None
    try:
        trusted = TrustedKeys.from_text(keys, environment.get("DEEPLENS_REVOKED_KEYS", ""))
    except ArtifactError as error:
        raise SettingsError(f"DEEPLENS_TRUSTED_KEYS: {error}") from None
    archive = _path(environment, "DEEPLENS_MODEL_ARTIFACT")
    return SignatureSettings(
        model=_text(environment, "DEEPLENS_MODEL_NAME"),
        statement=_path(environment, "DEEPLENS_MODEL_STATEMENT", default=f"{archive}.sig"),
        keys=trusted,
        required=_choice(environment, "DEEPLENS_SIGNATURE_REQUIRED", ("true", "false")) == "true",
    )


def _choice(
    environment: Mapping[str, str],
    name: str,
    choices: tuple[str, ...],
    *,
    default: str | None = None,
) -> str:
    value = environment.get(name) or default or choices[0]
    if value not in choices:
        raise SettingsError(f"{name}: given {quoted(value)}, expected {' or '.join(choices)}")
    return value


def _port(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name)
    if not text:
        return None
    if not _PORT.fullmatch(text) or int(text) > _LARGEST_PORT:
        raise SettingsError(
            f"{name}: given {quoted(text)}, expected a port from 0 to {_LARGEST_PORT}; "
            "0 selects a free one"
        )
    return int(text)


def _image_limit(environment: Mapping[str, str], name: str) -> ImageLimit:
    text = environment.get(name, "")
    try:
        return ImageLimit.from_text(text, name)
    except ValueError as error:
        raise SettingsError(f"{name}: given {quoted(text)}, expected {error}") from None


def _text(environment: Mapping[str, str], name: str, *, default: str = "") -> str:
    value = environment.get(name) or default
    if value.strip():
        return value
    setter = "Greengrass" if name.startswith("AWS_") else "the inference component's recipe"
    given = f"given {quoted(value)}" if value else "it is not set"
    raise SettingsError(f"{name}: {given}; {setter} sets it")


def _matching(
    environment: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str
) -> str:
    value = _text(environment, name)
    if not pattern.fullmatch(value):
        raise SettingsError(f"{name}: given {quoted(value)}, expected {expected}")
    return value


def _path(environment: Mapping[str, str], name: str, *, default: str = "") -> Path:
    value = _text(environment, name, default=default)
    if "\0" in value:
        raise SettingsError(f"{name}: given {quoted(value)}, expected a path")
    if value.startswith("{"):
        # Greengrass does not replace a recipe variable that it cannot resolve.
        raise SettingsError(
            f"{name}: given {quoted(value)}, a recipe variable that Greengrass did not replace; "
            "the model component must be a dependency, and its artifact readable by ALL"
        )
    return Path(value)


def _topic(environment: Mapping[str, str], thing: str) -> str:
    name = "DEEPLENS_TOPIC"
    given = _text(environment, name)
    topic = given.replace("{thing}", thing)
    if (
        topic.startswith("$")
        or _NOT_IN_A_TOPIC.search(topic)
        # MQTT topics are UTF-8, which has no surrogates. Control characters can forge log lines.
        or not topic.isprintable()
        or len(topic.encode("utf-8", "replace")) > _LONGEST_TOPIC_BYTES
        or topic.count("/") > _MAX_TOPIC_SLASHES
    ):
        raise SettingsError(
            f"{name}: given {quoted(given)}, expected a topic of at most {_LONGEST_TOPIC_BYTES} "
            f"bytes and {_MAX_TOPIC_SLASHES} slashes, without wildcard, space or leading '$', "
            "for example 'deeplens/{thing}/infer'"
        )
    return topic


def _number(environment: Mapping[str, str], name: str, least: float, most: float) -> float:
    text = _text(environment, name)
    expected = f"expected a number from {least:g} to {most:g}"
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name}: given {quoted(text)}, {expected}") from None
    if not least <= value <= most:
        raise SettingsError(f"{name}: given {quoted(text)}, {expected}")
    return value
