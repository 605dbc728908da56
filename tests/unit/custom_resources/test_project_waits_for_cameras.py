"""Custom::DeepLensProject: done when the cameras say so."""

import time
from dataclasses import dataclass, field, replace

import pytest

from deeplens_project import waiting
from deeplens_project.fleet import Execution, Heartbeat

NEW, OLD, FUNCTION = "a" * 64, "b" * 64, "arn:aws:lambda:r:1:function:f:2"
SEEN = Heartbeat(NEW, FUNCTION, "running", 5, "lens cap on", 5.0, 0.0)
GOAL = waiting.Goal("d-1", NEW, FUNCTION)


def heartbeat(digest: str = NEW, *, status: str = "running", frames: int = 5) -> Heartbeat:
    return Heartbeat(digest, FUNCTION, status, frames, "lens cap on", 5.0, time.time() + 1)


@dataclass
class Cameras:
    """A fleet that answers what a test wants; after `turns` looks, what it wants then."""

    heartbeats: dict[str, Heartbeat | None]
    executions: dict[str, Execution | None]
    later: dict[str, Heartbeat] = field(default_factory=dict)
    looks: int = 0
    cores: frozenset[str] = frozenset()
    later_executions: dict[str, Execution] = field(default_factory=dict)

    def things(self) -> list[str]:
        self.looks += 1
        if self.looks > 1:
            self.heartbeats |= self.later
            self.executions |= self.later_executions
        return sorted(self.heartbeats)

    def heartbeat(self, thing: str) -> Heartbeat | None:
        return self.heartbeats[thing]

    def is_core_device(self, thing: str) -> bool:
        return thing in self.cores

    def execution(self, thing: str, _deployment_id: str) -> Execution | None:
        return self.executions.get(thing)


def wait(cameras: Cameras, seconds: float = 1.0) -> waiting.Verdict:
    return waiting.wait_for(cameras, GOAL, seconds)  # type: ignore[arg-type]


DONE = Execution("SUCCEEDED", "")


def test_a_fleet_without_devices_is_no_failure() -> None:
    verdict = wait(Cameras({}, {}))
    assert not verdict.failed
    assert "no device yet" in verdict.explain()


def test_a_camera_that_names_the_new_digest_is_good() -> None:
    verdict = wait(Cameras({"cam": heartbeat()}, {"cam": DONE}))
    assert verdict.good == ["cam"]
    assert verdict.explain() == "1 of 1 reachable devices run the release"


def test_a_camera_that_says_so_later_is_waited_for() -> None:
    cameras = Cameras({"cam": heartbeat(OLD)}, {"cam": DONE}, later={"cam": heartbeat()})
    assert wait(cameras, 5).good == ["cam"]
    assert cameras.looks == 2


@pytest.mark.parametrize(
    ("beat", "expected"),
    [
        (replace(SEEN, model_digest=OLD), f"names model {OLD}, not {NEW}"),
        (replace(SEEN, frames=0), "without a frame; last error: lens cap on"),
        (replace(SEEN, status="failing"), "it is failing"),
        (replace(SEEN, function_arn="arn:old:1"), "names function arn:old:1"),
    ],
)
def test_completed_is_not_enough(beat: Heartbeat, expected: str) -> None:
    fresh = replace(beat, received_at=time.time() + 1)
    verdict = wait(Cameras({"cam": fresh}, {"cam": DONE}))
    assert verdict.failed
    assert expected in verdict.explain()


def test_a_failed_deployment_ends_the_wait_with_its_reason() -> None:
    started = time.monotonic()
    cameras = Cameras({"cam": heartbeat()}, {"cam": Execution("FAILED", "digest is wrong")})
    verdict = wait(cameras, 60)
    assert "cam failed: deployment FAILED: digest is wrong" in verdict.explain()
    assert time.monotonic() - started < 5


def test_offline_cameras_are_counted_apart() -> None:
    gone = Heartbeat(OLD, FUNCTION, "running", 5, None, 5.0, time.time() - 100)
    stopped = heartbeat(OLD, status="stopped")
    cameras = Cameras({"a": heartbeat(), "b": gone, "c": stopped, "d": None}, {"a": DONE})
    verdict = wait(cameras)
    assert not verdict.failed
    assert verdict.offline == ["b", "c", "d"]
    assert "3 offline (b, c, d)" in verdict.explain()


def test_a_camera_that_restarts_for_the_release_stays_reachable() -> None:
    cameras = Cameras(
        {"cam": heartbeat(OLD)}, {"cam": DONE}, later={"cam": heartbeat(OLD, status="stopped")}
    )
    assert "cam" in wait(cameras, 1.5).waiting


def test_a_core_whose_camera_never_spoke_is_waited_for_once_it_takes_the_job() -> None:
    at_work = Execution("SUCCEEDED", "", time.time() + 1)
    cameras = Cameras(
        {"cam": None}, {}, cores=frozenset({"cam"}), later_executions={"cam": at_work}
    )
    verdict = wait(cameras, 2)
    assert verdict.failed
    assert "cam did not get there: no heartbeat since the deployment" in verdict.explain()


def test_a_core_that_takes_no_job_in_time_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_TO_TAKE_A_JOB_SECONDS", 0.2)
    verdict = wait(Cameras({"cam": None}, {}, cores=frozenset({"cam"})), 5)
    assert not verdict.failed
    assert verdict.offline == ["cam"]


def test_an_old_success_of_a_stopped_camera_does_not_hold_up_a_deploy() -> None:
    old = Execution("SUCCEEDED", "", time.time() - 1000)
    known = replace(GOAL, is_new=False)
    cameras = Cameras({"cam": None}, {"cam": old}, cores=frozenset({"cam"}))
    verdict = waiting.wait_for(cameras, known, 5)  # type: ignore[arg-type]
    assert verdict.offline == ["cam"]
    assert cameras.looks == 1
