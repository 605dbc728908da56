"""Settings that change without a restart: shadow → IPC → what holds → heartbeat."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from camera.errors import PublishError, SettingsError
from camera.live_settings import CurrentSettings
from camera.publishing import GreengrassPublisher, GreengrassSubscriber
from camera.shadow import ShadowSettings
from shared.artifact.labels import checked_labels
from tests.device.bench import THING, live_settings
from tests.device.greengrass_ipc import Core, serving
from tests.waiting import HANG_SECONDS, eventually

SHADOW = f"$aws/things/{THING}/shadow/name/deeplens"
ACCEPTED, DELTA = f"{SHADOW}/get/accepted", f"{SHADOW}/update/delta"


class Camera:
    """What listens on a camera, and the settings that hold there."""

    def __init__(self) -> None:
        self.settings = CurrentSettings(live_settings())
        self.refusals: list[SettingsError] = []
        self.publisher = GreengrassPublisher(timeout_seconds=HANG_SECONDS)
        self.listening = ShadowSettings(
            thing=THING,
            subscriber=GreengrassSubscriber(timeout_seconds=HANG_SECONDS),
            publisher=self.publisher,
            desire=self.desire,
        )
        self.thread = threading.Thread(target=self.listening.run)

    def desire(self, desired: Any) -> bool:
        refusal = self.settings.desire(desired)
        if refusal:
            self.refusals.append(refusal)
        return self.settings.refused() is None


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


def test_the_whole_shadow_is_asked_for_and_then_what_differs(core: Core, camera: Camera) -> None:
    with serving(core):
        listening(core, camera)
        core.say(ACCEPTED, {"state": {"desired": {"settings": {"threshold": 0.8}}}})
        eventually(lambda: camera.settings.now.threshold == 0.8)
        core.say(DELTA, {"state": {"settings": {"labels": ["cat"], "publish_on_change": True}}})
        eventually(lambda: camera.settings.now.publish_on_change)
    assert camera.settings.now.labels == ("cat",)
    assert camera.settings.now.threshold == 0.8
    assert camera.refusals == []


@pytest.mark.parametrize(
    ("desired", "said"),
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
        ({"crop_files": 2.5}, "crop_files: given 2.5, expected a whole number from 1 to 10000"),
        (
            {"frame_interval_seconds": 0.001},
            "frame_interval_seconds: given 0.001, expected a number from 0.02 to 3600",
        ),
        ({"crop_mib": 1024}, "crop_mib: given 1024, expected a whole number from 1 to 256"),
        ({"crop_mib": 0}, "crop_mib: given 0, expected a whole number from 1 to 256"),
        ({"treshold": 0.7}, "there is no setting 'treshold'; there are threshold,"),
        ([0.7], "settings: given [0.7], expected an object"),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_work_and_the_old_ones_stay(
    core: Core, camera: Camera, desired: Any, said: str
) -> None:
    with serving(core):
        listening(core, camera)
        core.say(DELTA, {"state": {"settings": desired}})
        eventually(lambda: camera.refusals)
        assert str(camera.refusals[0]).startswith(said)
        assert camera.settings.now == live_settings()
        assert camera.settings.refused() == str(camera.refusals[0])
        core.say(DELTA, {"state": {"settings": {"threshold": 0.25}}})
        eventually(lambda: camera.settings.now.threshold == 0.25)
    assert camera.settings.refused() is None


def test_a_value_that_stays_wrong_is_refused_once(core: Core, camera: Camera) -> None:
    with serving(core):
        listening(core, camera)
        for _ in range(5):
            core.say(DELTA, {"state": {"settings": {"threshold": 2}}})
        core.say(DELTA, {"state": {"settings": {"threshold": 0.3}}})
        eventually(lambda: camera.settings.now.threshold == 0.3)
    assert len(camera.refusals) == 1


@pytest.mark.parametrize(
    "payload",
    [b"", b"no json", b"[]", b'{"state": 1}', b'{"state": {}}', b"[" * 50_000, b"x" * 100_000],
)
def test_a_message_that_says_nothing_of_settings_changes_nothing(
    core: Core, camera: Camera, payload: bytes
) -> None:
    with serving(core):
        listening(core, camera)
        core.say(DELTA, payload)
        core.say(ACCEPTED, payload)
        core.say(DELTA, {"state": {"settings": {"threshold": 0.3}}})
        eventually(lambda: camera.settings.now.threshold == 0.3)
    assert camera.refusals == []


def test_a_core_that_was_away_is_asked_for_the_whole_shadow_again(
    core: Core, camera: Camera
) -> None:
    with serving(core):
        listening(core, camera)
    core.published.clear()
    with serving(core):
        eventually(lambda: f"{SHADOW}/get" in [topic for topic, _, _ in core.published])
        core.say(ACCEPTED, {"state": {"desired": {"settings": {"threshold": 0.9}}}})
        eventually(lambda: camera.settings.now.threshold == 0.9)


def test_a_refused_subscription_says_what_the_deployment_must_allow(core: Core) -> None:
    core.refused_topics.add(DELTA)
    with (
        serving(core),
        pytest.raises(PublishError, match=r"accessControl must allow .*SubscribeToIoTCore"),
    ):
        GreengrassSubscriber(timeout_seconds=HANG_SECONDS).subscribe(
            [DELTA], lambda *_: None, on_ready=lambda: None
        )


def test_what_is_reported_is_what_a_shadow_compares_with_what_it_desires() -> None:
    settings = CurrentSettings(live_settings())
    assert settings.desire({"labels": ["cat"], "threshold": 0.75}) is None
    assert json.loads(json.dumps(settings.reported())) == settings.reported()
    assert settings.reported()["labels"] == ["cat"]
    assert settings.desire(settings.reported()) is None


def test_a_label_of_a_label_map_may_be_a_label_of_interest() -> None:
    # With the zero-width non-joiner of Persian.
    label = "\u0645\u06cc\u200c\u0631\u0648\u062f"
    settings = CurrentSettings(live_settings())
    assert checked_labels({1: label}) == {1: label}
    assert settings.desire({"labels": [label]}) is None
    assert settings.now.labels == (label,)
