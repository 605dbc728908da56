"""Settings change without a restart: shadow → IPC → current settings → heartbeat."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from camera.dynamic_settings import CurrentSettings, ShadowListener
from camera.errors import PublishError, SettingsError
from camera.greengrass import GreengrassPublisher, GreengrassSubscriber
from shared.artifact.labels import checked_labels
from shared.messages.wire import written
from testkit.greengrass_ipc import Core, serving
from testkit.waiting import HANG_SECONDS, eventually
from tests.device.bench import THING, dynamic_settings

SHADOW = f"$aws/things/{THING}/shadow/name/deeplens"
ACCEPTED, DELTA = f"{SHADOW}/get/accepted", f"{SHADOW}/update/delta"


class Camera:
    """A camera's shadow listener, and its current settings."""

    def __init__(self) -> None:
        self.settings = CurrentSettings(dynamic_settings())
        self.rejections: list[SettingsError] = []
        self.publisher = GreengrassPublisher(timeout_seconds=HANG_SECONDS)
        self.listening = ShadowListener(
            thing=THING,
            subscriber=GreengrassSubscriber(timeout_seconds=HANG_SECONDS),
            publisher=self.publisher,
            apply_desired=self.apply_desired,
        )
        self.thread = threading.Thread(target=self.listening.run)

    def apply_desired(self, desired: Any) -> bool:
        rejection = self.settings.apply_desired(desired)
        if rejection:
            self.rejections.append(rejection)
        return self.settings.rejection() is None


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Core:
    made = Core(tmp_path / "ipc.socket")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def camera() -> Iterator[Camera]:
    made = Camera()
    yield made
    made.listening.stop()
    made.thread.join(HANG_SECONDS)
    assert not made.thread.is_alive()
    made.publisher.close()


def listening(core: Core, camera: Camera) -> None:
    camera.thread.start()
    eventually(lambda: f"{SHADOW}/get" in [topic for topic, _, _ in core.published])


def test_the_complete_shadow_is_requested_and_then_changes_apply(
    core: Core, camera: Camera
) -> None:
    with serving(core):
        listening(core, camera)
        core.deliver(ACCEPTED, {"state": {"desired": {"settings": {"threshold": 0.8}}}})
        eventually(lambda: camera.settings.current.threshold == 0.8)
        core.deliver(DELTA, {"state": {"settings": {"labels": ["cat"], "publish_on_change": True}}})
        eventually(lambda: camera.settings.current.publish_on_change)
    assert camera.settings.current.labels == ("cat",)
    assert camera.settings.current.threshold == 0.8
    assert camera.rejections == []


@pytest.mark.parametrize(
    ("desired", "message"),
    [
        ({"threshold": 2}, "threshold: given 2, expected a number from 0 to 1"),
        ({"threshold": True}, "threshold: given True, expected a number"),
        ({"threshold": "0.7"}, "threshold: given '0.7', expected a number"),
        ({"threshold": 0.7, "frame_interval_seconds": 0}, "frame_interval_seconds: given 0"),
        ({"labels": "cat"}, "labels: given 'cat', expected a list"),
        ({"labels": ["c\nat"]}, "labels: given"),
        ({"publish_on_change": 1}, "publish_on_change: given 1, expected true or false"),
        ({"drift_threshold": 2}, "drift_threshold: given 2, expected a number from 0 to 1"),
        ({"crop_scores": 0.5}, "crop_scores: given 0.5, expected a list of two scores"),
        ({"crop_scores": [0.6, 0.3]}, "crop_scores: given [0.6, 0.3], expected a list of two"),
        ({"crop_scores": [0.3, "x"]}, "crop_scores: given [0.3, 'x'], expected a list of two"),
        ({"crop_files": 2.5}, "crop_files: given 2.5, expected an integer from 1 to 10000"),
        (
            {"frame_interval_seconds": 0.001},
            "frame_interval_seconds: given 0.001, expected a number from 0.02 to 3600",
        ),
        ({"crop_mib": 1024}, "crop_mib: given 1024, expected an integer from 1 to 256"),
        ({"crop_mib": 0}, "crop_mib: given 0, expected an integer from 1 to 256"),
        ({"treshold": 0.7}, "'treshold' is not a valid setting: expected threshold,"),
        ([0.7], "settings: given [0.7], expected an object"),
    ],
)
def test_a_wrong_value_is_rejected_and_the_previous_settings_apply(
    core: Core, camera: Camera, desired: Any, message: str
) -> None:
    with serving(core):
        listening(core, camera)
        core.deliver(DELTA, {"state": {"settings": desired}})
        eventually(lambda: camera.rejections)
        assert str(camera.rejections[0]).startswith(message)
        assert camera.settings.current == dynamic_settings()
        assert camera.settings.rejection() == str(camera.rejections[0])
        core.deliver(DELTA, {"state": {"settings": {"threshold": 0.25}}})
        eventually(lambda: camera.settings.current.threshold == 0.25)
    assert camera.settings.rejection() is None


def test_a_value_that_stays_wrong_is_reported_once(core: Core, camera: Camera) -> None:
    with serving(core):
        listening(core, camera)
        for _ in range(5):
            core.deliver(DELTA, {"state": {"settings": {"threshold": 2}}})
        core.deliver(DELTA, {"state": {"settings": {"threshold": 0.3}}})
        eventually(lambda: camera.settings.current.threshold == 0.3)
    assert len(camera.rejections) == 1


@pytest.mark.parametrize(
    "payload",
    [b"", b"no json", b"[]", b'{"state": 1}', b'{"state": {}}', b"[" * 50_000, b"x" * 100_000],
)
def test_a_message_without_settings_changes_nothing(
    core: Core, camera: Camera, payload: bytes
) -> None:
    with serving(core):
        listening(core, camera)
        core.deliver(DELTA, payload)
        core.deliver(ACCEPTED, payload)
        core.deliver(DELTA, {"state": {"settings": {"threshold": 0.3}}})
        eventually(lambda: camera.settings.current.threshold == 0.3)
    assert camera.rejections == []


def test_the_complete_shadow_is_requested_again_after_an_outage_of_the_core(
    core: Core, camera: Camera
) -> None:
    with serving(core):
        listening(core, camera)
    core.published.clear()
    with serving(core):
        eventually(lambda: f"{SHADOW}/get" in [topic for topic, _, _ in core.published])
        core.deliver(ACCEPTED, {"state": {"desired": {"settings": {"threshold": 0.9}}}})
        eventually(lambda: camera.settings.current.threshold == 0.9)


def test_a_rejected_subscription_names_the_required_permission(core: Core) -> None:
    core.refused_topics.add(DELTA)
    with (
        serving(core),
        pytest.raises(PublishError, match=r"accessControl must allow .*SubscribeToIoTCore"),
    ):
        GreengrassSubscriber(timeout_seconds=HANG_SECONDS).subscribe(
            [DELTA], lambda *_: None, on_ready=lambda: None
        )


def test_reported_settings_have_the_form_of_desired_settings() -> None:
    settings = CurrentSettings(dynamic_settings())
    assert settings.apply_desired({"labels": ["cat"], "threshold": 0.75}) is None
    reported = written(settings.reported())
    assert json.loads(json.dumps(reported)) == reported
    assert reported["labels"] == ["cat"]
    assert settings.apply_desired(reported) is None


def test_a_label_of_a_label_map_may_be_a_label_of_interest() -> None:
    # Persian words contain the zero-width non-joiner.
    label = "\u0645\u06cc\u200c\u0631\u0648\u062f"
    settings = CurrentSettings(dynamic_settings())
    assert checked_labels({1: label}) == {1: label}
    assert settings.apply_desired({"labels": [label]}) is None
    assert settings.current.labels == (label,)
