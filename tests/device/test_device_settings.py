from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera.cameras import camera_from
from camera.cameras.folder import ImageFolderCamera
from camera.errors import SettingsError
from camera.settings import Settings
from tests.device.bench import THING, dynamic_settings, environment, settings

OPTIONAL = {"MY_FUNCTION_ARN"}


def test_every_setting_is_read_with_its_type() -> None:
    read = Settings.from_environment(environment())
    assert read == settings(
        heartbeat_interval_seconds=1.0, dynamic=dynamic_settings(frame_interval_seconds=0.05)
    )
    assert read.artifact == Path("model.zip")


def test_the_topic_names_the_thing() -> None:
    read = Settings.from_environment(environment(DEEPLENS_TOPIC="a/{thing}/b/{thing}"))
    assert read.topic == f"a/{THING}/b/{THING}"


def test_a_camera_outside_greengrass_has_no_function_arn() -> None:
    assert Settings.from_environment(environment(MY_FUNCTION_ARN=None)).function_arn is None


@pytest.mark.parametrize("name", sorted(set(environment()) - OPTIONAL))
@pytest.mark.parametrize("value", [None, "", "  "])
def test_the_error_of_a_missing_setting_names_its_source(name: str, value: str | None) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}: .*; .* sets it$"):
        Settings.from_environment(environment(**{name: value}))


@pytest.mark.parametrize(
    ("name", "value", "works"),
    [
        ("AWS_IOT_THING_NAME", "front door", "letters, digits"),
        ("AWS_IOT_THING_NAME", "x" * 129, "1 to 128"),
        ("DEEPLENS_MODEL_DIGEST", "AB" * 32, "64 lower-case hex digits"),
        ("DEEPLENS_MODEL_DIGEST", "ab", "64 lower-case hex digits"),
        ("DEEPLENS_MODEL_ARTIFACT", "{m:artifacts:path}/model.zip", "must be a dependency"),
        ("DEEPLENS_MODEL_DIRECTORY", "{m:artifacts:decompressedPath}/m", "readable by ALL"),
        ("DEEPLENS_ENGINE", "onnx", "openvino or tensorflow"),
        ("DEEPLENS_THRESHOLD", "half", "a number from 0 to 1"),
        ("DEEPLENS_THRESHOLD", "1.1", "a number from 0 to 1"),
        ("DEEPLENS_THRESHOLD", "nan", "a number from 0 to 1"),
        ("DEEPLENS_FRAME_INTERVAL_SECONDS", "0", "from 0.02 to 3600"),
        ("DEEPLENS_FRAME_INTERVAL_SECONDS", "inf", "from 0.02 to 3600"),
        ("DEEPLENS_HEARTBEAT_INTERVAL_SECONDS", "0.5", "from 1 to 3600"),
        ("DEEPLENS_PUBLISHER", "kafka", "greengrass or greengrasssdk"),
        ("DEEPLENS_LIVE_VIEW_PORT", "65536", "a port from 0 to 65535"),
        ("DEEPLENS_LIVE_VIEW_PORT", "0" * 5000, "a port from 0 to 65535"),
        ("DEEPLENS_LIVE_VIEW_PORT", "٨٠", "a port from 0 to 65535"),
        ("DEEPLENS_MAX_MEGAPIXELS", "90", "an integer from 1 to 89"),
        ("DEEPLENS_TOPIC", "a/\ud800/b", "a topic of at most"),
        ("DEEPLENS_TOPIC", "a/\u202e/b", "a topic of at most"),
        ("DEEPLENS_TOPIC", "$aws/things/x/infer", "'deeplens/{thing}/infer'"),
        ("DEEPLENS_TOPIC", "deeplens/+/infer", "without wildcard"),
        ("DEEPLENS_TOPIC", "deeplens/{model}/infer", "'deeplens/{thing}/infer'"),
        ("DEEPLENS_TOPIC", "a/b/c/d/e/f/g/h/i", "7 slashes"),
        ("DEEPLENS_TOPIC", "ü" * 129, "256 bytes"),
    ],
)
def test_the_error_of_a_wrong_value_has_values_that_work(name: str, value: str, works: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(environment(**{name: value}))
    text = str(refused.value)
    assert text.startswith(f"{name}: given ")
    assert repr(value[:40])[1:-1] in text
    assert works in text
    assert "\n" not in text


@given(
    name=st.sampled_from(sorted(environment())),
    value=st.text(st.characters(blacklist_characters="\0", codec="utf-8"), max_size=400),
)
def test_any_value_of_a_variable_is_used_or_rejected_by_name(name: str, value: str) -> None:
    refusal = None
    try:
        read = Settings.from_environment(environment(**{name: value}))
    except SettingsError as error:
        refusal = str(error)
    if refusal is None:
        assert 0 <= read.dynamic.threshold <= 1
        assert 0 < read.dynamic.frame_interval_seconds <= 3600
        assert not read.topic.startswith("$")
    else:
        assert refusal.startswith(f"{name}: ")
        assert len(refusal) < 1000


def test_settings_that_the_recipe_omits_have_defaults() -> None:
    read = Settings.from_environment(environment())
    assert read.state_directory == Path("state")
    assert read.publisher == "greengrass"
    assert read.live_view_port is None
    assert read.image_limit.megapixels == 16
    assert read.dynamic.labels == ()


def test_settings_that_only_the_shadow_changes_have_their_defaults_at_the_start() -> None:
    read = Settings.from_environment(
        environment(DEEPLENS_LABELS="dog", DEEPLENS_STATE_DIRECTORY="elsewhere")
    )
    assert read.dynamic == dynamic_settings(frame_interval_seconds=0.05)
    assert read.state_directory == Path("state")


def test_a_folder_is_a_camera() -> None:
    assert isinstance(camera_from("folder:camera"), ImageFolderCamera)


@pytest.mark.parametrize(
    "camera",
    [
        "video:street.mp4",
        "v4l2:/dev/video0",
        "rtsp://user:secret@192.0.2.7:554/stream",
        "http://192.0.2.7/video.mjpg",
        "https://192.0.2.7/video.mjpg",
        "awscam",
    ],
)
def test_each_kind_of_camera_is_accepted_without_opening_it(camera: str) -> None:
    assert camera_from(camera)


@pytest.mark.parametrize(
    "camera",
    [
        "folder:",
        "folder: ",
        "folder",
        "folder:\0",
        "video:",
        "v4l2:/dev/null",
        "v4l2:0",
        "rtsp:",
        "rtsp://",
        "http://host:port/",
        "ftp://host/",
        "awscam:1",
        "camera",
    ],
)
def test_another_kind_of_camera_is_rejected_with_values_that_work(camera: str) -> None:
    with pytest.raises(SettingsError, match=r"^DEEPLENS_CAMERA: given .*, expected .*'"):
        camera_from(camera)
