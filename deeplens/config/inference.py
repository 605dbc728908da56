"""`[inference]`: settings of the function on the camera."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from deeplens.config.base import ConfigSection, LogRetentionDays

_LONGEST_TOPIC_BYTES = 256
_MOST_TOPIC_SLASHES = 7
_TOPIC_LEVEL = r"""(\{thing\}|[^/{}+#\s\x00-\x1f'"\\]*)"""
_TOPIC = rf"(?=[^$]){_TOPIC_LEVEL}(/{_TOPIC_LEVEL}){{0,{_MOST_TOPIC_SLASHES}}}"
# The same value as the default in lambda_src/shared/vision/images.py, which this package must not
# import.
_DEFAULT_MEGAPIXELS = 16
_CREDENTIALS_IN_URL = r"^[a-z]+://[^/@]*:[^/]*@"


ComponentKind = Literal["lambda", "generic"]


class InferenceConfig(ConfigSection):
    """Settings of the function on the camera."""

    component: Annotated[
        ComponentKind | None,
        Field(
            description="how Greengrass runs the published function version: `lambda` (only "
            "on the classic nucleus) as a Lambda component, `generic` as a "
            "separate process; without it, `lambda` on classic and `generic` on "
            "lite"
        ),
    ] = None
    camera: Annotated[
        str,
        Field(
            pattern=r"^(folder:.+|video:.+|v4l2:/dev/video[0-9]+|rtsp://.+|https?://.+|awscam)$",
            description="source of the images: `folder:<folder>`, `video:<file>`, "
            "`v4l2:/dev/video0`, `rtsp://…`, `http://…` (MJPEG) or `awscam`",
            json_schema_extra={"not": {"pattern": _CREDENTIALS_IN_URL}},
        ),
    ] = "folder:camera"
    engine: Annotated[
        Literal["openvino", "tensorflow", "awscam"],
        Field(description="engine that runs the model; `awscam` is part of an AWS DeepLens"),
    ] = "openvino"
    engine_device: Annotated[
        Literal["auto", "cpu", "gpu"],
        Field(
            description="device of OpenVINO and awscam: `auto` uses an Intel GPU if there is one, "
            "`gpu` fails without one"
        ),
    ] = "auto"
    threshold: Annotated[
        float,
        Field(ge=0, le=1, description="minimum score of a published detection"),
    ] = 0.5
    topic: Annotated[
        str,
        Field(
            description="topic of detections and errors; `{thing}` is the camera's name",
            json_schema_extra={"pattern": f"^{_TOPIC}$", "maxLength": _LONGEST_TOPIC_BYTES},
        ),
    ] = "deeplens/{thing}/infer"
    frame_interval_seconds: Annotated[
        float, Field(ge=0.02, le=3600, description="minimum time between two frames")
    ] = 1.0
    heartbeat_interval_seconds: Annotated[
        float,
        Field(ge=1, le=3600, description="maximum time between two heartbeats"),
    ] = 10.0
    live_view_port: Annotated[
        int | None,
        Field(
            ge=0,
            le=65535,
            description="port of the live view on the camera's loopback, 0 for a free one; "
            "without it, there is no live view",
        ),
    ] = None
    max_megapixels: Annotated[
        int,
        Field(ge=1, le=89, description="largest frame that is decoded, in millions of pixels"),
    ] = _DEFAULT_MEGAPIXELS
    isolation_mode: Annotated[
        Literal["NoContainer", "GreengrassContainer"],
        Field(
            description="how the classic core runs a Lambda component; a container needs cgroups "
            "v1 on the device"
        ),
    ] = "NoContainer"
    log_retention_days: Annotated[
        LogRetentionDays, Field(description="retention of the log of the function in the cloud")
    ] = 30

    @field_validator("camera")
    @classmethod
    def _no_secret(cls, value: str) -> str:
        if re.match(_CREDENTIALS_IN_URL, value):
            raise ValueError(
                "templates and recipes must not contain a password; give the user only, as in "
                "'rtsp://user@192.0.2.7/stream', and write the password on the device "
                "(docs/camera.md)"
            )
        return value

    @field_validator("topic")
    @classmethod
    def _valid_topic(cls, value: str) -> str:
        if not re.fullmatch(_TOPIC, value) or len(value.encode()) > _LONGEST_TOPIC_BYTES:
            raise ValueError(
                f"a topic has at most {_LONGEST_TOPIC_BYTES} bytes and {_MOST_TOPIC_SLASHES} "
                "slashes, no wildcard, no space, no quote and no leading '$', and may "
                "contain '{thing}' as a level, for example 'deeplens/{thing}/infer'"
            )
        return value

    @property
    def topic_filter(self) -> str:
        """The MQTT topic filter that matches the topic of every camera."""
        return self.topic.replace("{thing}", "+")
