from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera.errors import SettingsError
from camera.settings import Settings
from camera.sources import PictureFolderCamera, camera_from
from tests.device.bench import THING, environment, settings

OPTIONAL = {"MY_FUNCTION_ARN"}


def test_every_setting_is_read_with_its_type() -> None:
    read = Settings.from_environment(environment())
    assert read == settings(frame_interval_seconds=0.05, heartbeat_interval_seconds=1.0)
    assert read.artifact == Path("model.zip")


def test_the_topic_names_the_thing() -> None:
    read = Settings.from_environment(environment(DEEPLENS_TOPIC="a/{thing}/b/{thing}"))
    assert read.topic == f"a/{THING}/b/{THING}"


def test_a_camera_outside_greengrass_has_no_function_arn() -> None:
    assert Settings.from_environment(environment(MY_FUNCTION_ARN=None)).function_arn is None


@pytest.mark.parametrize("name", sorted(set(environment()) - OPTIONAL))
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_setting_is_named_with_who_sets_it(name: str, value: str | None) -> None:
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
        ("DEEPLENS_FRAME_INTERVAL_SECONDS", "0", "from 0.001 to 3600"),
        ("DEEPLENS_FRAME_INTERVAL_SECONDS", "inf", "from 0.001 to 3600"),
        ("DEEPLENS_HEARTBEAT_INTERVAL_SECONDS", "0.5", "from 1 to 3600"),
        ("DEEPLENS_TOPIC", "$aws/things/x/infer", "'deeplens/{thing}/infer'"),
        ("DEEPLENS_TOPIC", "deeplens/+/infer", "without wildcard"),
        ("DEEPLENS_TOPIC", "deeplens/{model}/infer", "'deeplens/{thing}/infer'"),
        ("DEEPLENS_TOPIC", "a/b/c/d/e/f/g/h/i", "7 slashes"),
        ("DEEPLENS_TOPIC", "ü" * 129, "256 bytes"),
    ],
)
def test_a_wrong_value_is_one_error_that_says_what_would_work(
    name: str, value: str, works: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(environment(**{name: value}))
    text = str(refused.value)
    assert text.startswith(f"{name}: given ")
    assert value[:40] in text
    assert works in text
    assert "\n" not in text


@given(
    name=st.sampled_from(sorted(environment())),
    value=st.text(st.characters(blacklist_characters="\0", codec="utf-8"), max_size=400),
)
def test_whatever_a_variable_holds_it_is_used_or_refused_by_name(name: str, value: str) -> None:
    refusal = None
    try:
        read = Settings.from_environment(environment(**{name: value}))
    except SettingsError as error:
        refusal = str(error)
    if refusal is None:
        assert 0 <= read.threshold <= 1
        assert 0 < read.frame_interval_seconds <= 3600
        assert not read.topic.startswith("$")
    else:
        assert refusal.startswith(f"{name}: ")
        assert len(refusal) < 1000


def test_a_folder_is_a_camera() -> None:
    assert isinstance(camera_from(settings(camera="folder:camera")), PictureFolderCamera)


@pytest.mark.parametrize("camera", ["folder:", "folder: ", "folder", "v4l2:/dev/video0", "camera"])
def test_another_kind_of_camera_is_refused_with_what_would_work(camera: str) -> None:
    with pytest.raises(SettingsError, match=r"^DEEPLENS_CAMERA: given .*'folder:camera'"):
        camera_from(settings(camera=camera))
