"""Settings of the function, from the environment that Greengrass gives it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from camera.engine_choice import ENGINE_DEVICES, ENGINES, engine_here
from camera.errors import SettingsError
from camera.live_settings import LiveSettings, checked_setting
from camera.live_settings import shown as _shown
from camera.trust import OWN_KEYS, TrustSettings
from shared.artifact.errors import VisionError
from shared.artifact.strict_json import parse_json
from shared.signatures import TrustedKeys
from shared.vision.images import ImageLimit

_THING = re.compile(r"[A-Za-z0-9:_-]{1,128}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NOT_IN_A_TOPIC = re.compile(r"[+#{}\s\x00-\x1f]")
_LONGEST_TOPIC_BYTES = 256
_MOST_TOPIC_SLASHES = 7
_PORT = re.compile(r"[0-9]{1,5}")
_LARGEST_PORT = 65535
_MEGAPIXELS = "DEEPLENS_MAX_MEGAPIXELS"
_IMAGE_LIMIT = ImageLimit(setting=_MEGAPIXELS)
_PUBLISHERS = ("greengrass", "greengrasssdk")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that the loop is told; durations in seconds, the threshold from 0 to 1."""

    thing: str
    # None where nothing names it: outside Greengrass.
    function_arn: str | None
    artifact: Path
    model_directory: Path
    # SHA-256 of the artifact, lower-case hex.
    model_digest: str
    # A kind and what it needs, for example "folder:camera".
    camera: str
    # One of `ENGINES`.
    engine: str
    topic: str
    heartbeat_interval_seconds: float
    # What holds until the thing's shadow says otherwise.
    live: LiveSettings
    # Where the spool and the last good model are kept; the component's own working directory.
    state_directory: Path = Path("state")
    # Who takes messages on.
    publisher: str = "greengrass"
    # One of `ENGINE_DEVICES`.
    engine_device: str = "auto"
    # None: no live view.
    live_view_port: int | None = None
    # Larger frames are not decoded.
    image_limit: ImageLimit = _IMAGE_LIMIT
    # None: releases need not be signed.
    trust: TrustSettings | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read and check every setting.

        Raises:
            SettingsError: names the variable, what was given and what would work.
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
            engine_device=_one_of(environment, "DEEPLENS_ENGINE_DEVICE", ENGINE_DEVICES),
            topic=_topic(environment, thing),
            heartbeat_interval_seconds=_number(
                environment, "DEEPLENS_HEARTBEAT_INTERVAL_SECONDS", 1.0, 3600.0
            ),
            live=_live(environment),
            state_directory=_path(environment, "DEEPLENS_STATE_DIRECTORY", default="state"),
            publisher=_one_of(environment, "DEEPLENS_PUBLISHER", _PUBLISHERS),
            live_view_port=_port(environment, "DEEPLENS_LIVE_VIEW_PORT"),
            image_limit=_image_limit(environment, _MEGAPIXELS),
            trust=_trust(environment),
        )


def thing_name(environment: Mapping[str, str]) -> str:
    """Return the camera's thing name; raise `SettingsError` when it is missing or not one."""
    return _matching(
        environment, "AWS_IOT_THING_NAME", _THING, "1 to 128 letters, digits, ':', '_' or '-'"
    )


def engine_name(environment: Mapping[str, str]) -> str:
    """Return which engine runs the model; raise `SettingsError` when there is no such one."""
    return _one_of(environment, "DEEPLENS_ENGINE", ENGINES, default=engine_here())


def _trust(environment: Mapping[str, str]) -> TrustSettings | None:
    """Read whose signature a release needs; on a device with keys of its own, always."""
    keys = environment.get("DEEPLENS_TRUSTED_KEYS", "")
    if not keys and not OWN_KEYS.is_file():
        return None
    try:
        trusted = TrustedKeys.from_text(keys, environment.get("DEEPLENS_REVOKED_KEYS", ""))
    except VisionError as error:
        raise SettingsError(f"DEEPLENS_TRUSTED_KEYS: {error}") from None
    archive = _path(environment, "DEEPLENS_MODEL_ARTIFACT")
    return TrustSettings(
        model=_text(environment, "DEEPLENS_MODEL_NAME"),
        statement=_path(environment, "DEEPLENS_MODEL_STATEMENT", default=f"{archive}.sig"),
        keys=trusted,
        required=_one_of(environment, "DEEPLENS_SIGNATURE_REQUIRED", ("true", "false")) == "true",
    )


def _live(environment: Mapping[str, str]) -> LiveSettings:
    """Read what the shadow may change later; the recipe's values are checked as the shadow's."""
    given = {
        "threshold": _text(environment, "DEEPLENS_THRESHOLD"),
        "frame_interval_seconds": _text(environment, "DEEPLENS_FRAME_INTERVAL_SECONDS"),
        "publish_on_change": environment.get("DEEPLENS_PUBLISH_ON_CHANGE"),
        "label_interval_seconds": environment.get("DEEPLENS_LABEL_INTERVAL_SECONDS"),
        "drift_threshold": environment.get("DEEPLENS_DRIFT_THRESHOLD"),
        "crop_scores": environment.get("DEEPLENS_CROP_SCORES"),
        "crop_files": environment.get("DEEPLENS_CROP_FILES"),
        "crop_mib": environment.get("DEEPLENS_CROP_MIB"),
    }
    read = {
        name: checked_setting(name, _value(text), called=f"DEEPLENS_{name.upper()}")
        for name, text in given.items()
        if text
    }
    if labels := environment.get("DEEPLENS_LABELS"):
        names = [label.strip() for label in labels.split(",")]
        read["labels"] = checked_setting("labels", names, called="DEEPLENS_LABELS")
    return LiveSettings(**read)


def _value(text: str) -> object:
    """What a variable's text means in JSON; text that is none is itself, and refused as such."""
    try:
        return parse_json(text)
    except ValueError:
        return text


def _one_of(
    environment: Mapping[str, str],
    name: str,
    known: tuple[str, ...],
    *,
    default: str | None = None,
) -> str:
    value = environment.get(name) or default or known[0]
    if value not in known:
        raise SettingsError(f"{name}: given {_shown(value)}, expected {' or '.join(known)}")
    return value


def _port(environment: Mapping[str, str], name: str) -> int | None:
    text = environment.get(name)
    if not text:
        return None
    if not _PORT.fullmatch(text) or int(text) > _LARGEST_PORT:
        raise SettingsError(
            f"{name}: given {_shown(text)}, expected a port from 0 to {_LARGEST_PORT}; "
            "0 takes a free one"
        )
    return int(text)


def _image_limit(environment: Mapping[str, str], name: str) -> ImageLimit:
    text = environment.get(name, "")
    try:
        return ImageLimit.from_text(text, name)
    except ValueError as error:
        raise SettingsError(f"{name}: given {_shown(text)}, expected {error}") from None


def _text(environment: Mapping[str, str], name: str, *, default: str = "") -> str:
    value = environment.get(name) or default
    if value.strip():
        return value
    setter = "Greengrass" if name.startswith("AWS_") else "the inference component's recipe"
    given = f"given {_shown(value)}" if value else "it is not set"
    raise SettingsError(f"{name}: {given}; {setter} sets it")


def _matching(
    environment: Mapping[str, str], name: str, pattern: re.Pattern[str], expected: str
) -> str:
    value = _text(environment, name)
    if not pattern.fullmatch(value):
        raise SettingsError(f"{name}: given {_shown(value)}, expected {expected}")
    return value


def _path(environment: Mapping[str, str], name: str, *, default: str = "") -> Path:
    value = _text(environment, name, default=default)
    if "\0" in value:
        raise SettingsError(f"{name}: given {_shown(value)}, expected a path")
    if value.startswith("{"):
        # Greengrass logs a recipe variable that it cannot resolve, and leaves its text.
        raise SettingsError(
            f"{name}: given {_shown(value)}, a recipe variable that Greengrass did not fill in; "
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
        # MQTT's text is UTF-8, which has no surrogates; control characters harm logs.
        or not topic.isprintable()
        or len(topic.encode("utf-8", "replace")) > _LONGEST_TOPIC_BYTES
        or topic.count("/") > _MOST_TOPIC_SLASHES
    ):
        raise SettingsError(
            f"{name}: given {_shown(given)}, expected a topic of at most {_LONGEST_TOPIC_BYTES} "
            f"bytes and {_MOST_TOPIC_SLASHES} slashes, without wildcard, space or leading '$', "
            "for example 'deeplens/{thing}/infer'"
        )
    return topic


def _number(environment: Mapping[str, str], name: str, least: float, most: float) -> float:
    text = _text(environment, name)
    expected = f"expected a number from {least:g} to {most:g}"
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f"{name}: given {_shown(text)}, {expected}") from None
    if not least <= value <= most:
        raise SettingsError(f"{name}: given {_shown(text)}, {expected}")
    return value
