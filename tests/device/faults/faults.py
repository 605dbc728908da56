"""Every fault: how it is made, and the line that it must pass.

`Scale` compresses waiting: in CI an outage lasts seconds; `make reliability-nightly` takes the
real ten minutes.
"""

import os
import shutil
import signal
import struct
import subprocess
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camera.models import MOST_FAILED_STARTS
from shared.artifact.archive import sha256_of
from tests.device.faults.oracle import Oracle, Verdict, lines, oracle, serving_core
from tests.pinned import pinned_artifact

_TINY_DISK_BYTES = 4 << 20


@dataclass(frozen=True)
class Scale:
    """How long things take, in seconds."""

    outage_seconds: float = 3.0
    blocked_seconds: float = 2.0
    frames: int = 60
    frozen_seconds: float = 1.0
    endurance_frames: int = 3000


NIGHTLY = Scale(
    outage_seconds=600.0,
    blocked_seconds=30.0,
    frozen_seconds=10.0,
    frames=2000,
    endurance_frames=10_000,
)
_MOST_GROWTH = 1.05
_NOTICED_AFTER_SECONDS = 12.0


@dataclass(frozen=True)
class Fault:
    """One fault; `drops`: whether its pass line allows dropped messages, counted and reported.

    `most_duplicates` are those that neither a lost acknowledgement nor an end explains.
    """

    group: str
    name: str
    run: Callable[[Path, Scale], Verdict] = field(repr=False)
    most_duplicates: int = 0
    drops: bool = False


FAULTS: list[Fault] = []

Run = Callable[[Path, Scale], Verdict]


def fault(group: str, name: str, **more: Any) -> Callable[[Run], Run]:
    """Add a fault to the list."""

    def add(run: Run) -> Run:
        FAULTS.append(Fault(group, name, run, **more))
        return run

    return add


def undisturbed(watching: Oracle) -> Verdict:
    """What the loop does by itself while the core is there."""
    with serving_core(watching):
        watching.start()
        return watching.finish()


def _camera_fails(work: Path, scale: Scale, fault: str, error: str, **plan: Any) -> Verdict:
    """The camera fails until the loop has reported it."""
    with (
        oracle(work, frames=scale.frames, camera_fault=fault, **plan) as watching,
        serving_core(watching),
    ):
        watching.start()
        watching.until(lambda: error in str(_last_error(watching)))
        watching.repair_camera()
        return watching.finish()


def _last_error(watching: Oracle) -> Any:
    reported = watching.core.reported()
    return reported[-1]["last_error"] if reported else None


# The camera


@fault("camera", "is gone, and comes back")
def camera_gone(work: Path, scale: Scale) -> Verdict:
    return _camera_fails(work, scale, "is gone", "CameraError")


@fault("camera", "gives no answer for 30 s")
def camera_blocks(work: Path, scale: Scale) -> Verdict:
    with (
        oracle(work, frames=scale.frames, camera_fault="blocks") as watching,
        serving_core(watching),
    ):
        watching.start()
        time.sleep(scale.blocked_seconds)
        if scale.blocked_seconds > _NOTICED_AFTER_SECONDS:
            watching.until(lambda: "has not answered" in str(_last_error(watching)))
        watching.repair_camera()
        return watching.finish()


@fault("camera", "raises")
def camera_raises(work: Path, scale: Scale) -> Verdict:
    return _camera_fails(work, scale, "raises", "a bug in the driver")


@fault("camera", "gives truncated pictures")
def camera_truncates(work: Path, scale: Scale) -> Verdict:
    return _camera_fails(work, scale, "truncates", "truncated")


@fault("camera", "gives the same picture for 10 s")
def camera_freezes(work: Path, scale: Scale) -> Verdict:
    verdict = _camera_fails(
        work,
        scale,
        "freezes",
        "has been the same",
        frozen_seconds=scale.frozen_seconds,
        interval_seconds=0.05,
    )
    assert verdict.heartbeat["picture"] == "ok", "it moves again"
    return verdict


# Greengrass and the cloud


def _outage(work: Path, scale: Scale, **plan: Any) -> Verdict:
    with oracle(work, frames=scale.frames, **plan) as watching:
        with serving_core(watching):
            watching.start()
            watching.until_decided(10)
        time.sleep(scale.outage_seconds)
        watching.repaired()
        with serving_core(watching):
            return watching.finish()


@fault("core", "refuses connections")
def core_refuses(work: Path, scale: Scale) -> Verdict:
    return _outage(work, Scale(outage_seconds=1.0, frames=scale.frames))


@fault("core", "is out for 10 minutes")
def core_out(work: Path, scale: Scale) -> Verdict:
    return _outage(work, scale)


@fault("core", "takes connections and answers nothing")
def core_black_hole(work: Path, scale: Scale) -> Verdict:
    with (
        oracle(work, frames=scale.frames, publish_seconds=0.5) as watching,
        serving_core(watching),
    ):
        watching.start()
        watching.until_decided(10)
        watching.core.answers = False
        time.sleep(min(scale.outage_seconds, 60))
        watching.core.answers = True
        watching.repaired()
        return watching.finish()


@fault("core", "loses every 10th acknowledgement")
def core_loses_acknowledgements(work: Path, scale: Scale) -> Verdict:
    del scale
    with oracle(work, frames=200, publish_seconds=1.0) as watching, serving_core(watching):
        watching.core.loses_every_nth_answer = 10
        watching.start()
        watching.until(lambda: len(watching.core.arrived()) >= 40)
        watching.core.loses_every_nth_answer = 0
        watching.repaired()
        verdict = watching.finish()
    assert verdict.duplicates > 0, "what was not acknowledged is sent again"
    return verdict


@fault("core", "fails each publish for a while")
def core_fails(work: Path, scale: Scale) -> Verdict:
    with oracle(work, frames=scale.frames) as watching, serving_core(watching):
        watching.core.failures = 4
        watching.start()
        watching.until_decided(20)
        watching.repaired()
        return watching.finish()


@fault("core", "refuses the topic: credentials expired, permission withdrawn")
def core_unauthorised(work: Path, scale: Scale) -> Verdict:
    with oracle(work, frames=scale.frames) as watching, serving_core(watching):
        watching.start()
        watching.until_decided(5)
        watching.core.refuses_all = True
        watching.until(lambda: watching.core.refused_topics)
        watching.core.refuses_all = False
        watching.core.refused_topics.clear()
        watching.repaired()
        return watching.finish()


# The process


def _killed(point: str) -> None:
    @fault("process", f"SIGKILL {point}")
    def run(work: Path, scale: Scale) -> Verdict:
        del scale
        with oracle(work, kill_at=point, kill_after=5) as watching, serving_core(watching):
            watching.start()
            watching.until_killed()
            watching.repaired()
            watching.restart(kill_at=None)
            return watching.finish()


for _point in (
    "before it is queued",
    "before it is spooled",
    "within the commit",
    "after it is spooled",
    "before it is handed on",
    "after the acknowledgement",
    "within the removal",
    "after the removal",
):
    _killed(_point)


@fault("process", "SIGKILL during an outage")
def killed_in_outage(work: Path, scale: Scale) -> Verdict:
    del scale
    with oracle(work) as watching:
        process = watching.start()
        watching.until(lambda: len(lines(watching.plan["promised"])) >= 20)
        process.kill()
        process.wait()
        watching.repaired()
        with serving_core(watching):
            watching.restart()
            return watching.finish()


@fault("process", "SIGTERM in the middle of a write")
def ended_within_write(work: Path, scale: Scale) -> Verdict:
    del scale
    with oracle(work, commit_seconds=1.0) as watching, serving_core(watching):
        watching.start()
        watching.until_decided(3)
        watching.end()
        # What was decided before the end is on disk: nothing is lost between the two either.
        assert set(lines(watching.plan["decided"])) == set(lines(watching.plan["promised"]))
        watching.repaired()
        watching.restart(commit_seconds=0.0)
        return watching.finish()


# The disk


@fault("disk", "is full", drops=True, most_duplicates=1)
def disk_full(work: Path, scale: Scale) -> Verdict:
    """A file system of 4 MiB of the loop's own, which something else fills."""
    del scale
    disk = work / "disk"
    disk.mkdir(parents=True)
    mount = f'mount -t tmpfs -o size={_TINY_DISK_BYTES} tmpfs "$0" && exec "$@"'
    with oracle(
        work, frames=400, state=str(disk / "state"), camera_fault="blocks", camera_at=40
    ) as watching:
        process = watching.start(
            prefix=("unshare", "--mount", "--map-root-user", "sh", "-c", mount, str(disk))
        )
        # The core is away: nothing leaves the spool, and the disk fills up.
        watching.until(lambda: len(lines(watching.plan["promised"])) >= 20)
        inside = Path(f"/proc/{process.pid}/root{disk}")
        _fill(inside / "somebody-elses.log")
        watching.repair_camera()
        watching.until(lambda: "the spool cannot be written" in watching.printed())
        assert len(lines(watching.plan["promised"])) >= 20
        watching.repaired()
        with serving_core(watching):
            # Still full: the reserve lets it drain.
            watching.until(lambda: len(watching.core.arrived()) >= 20)
            (inside / "somebody-elses.log").unlink()
            return watching.finish()


@fault("disk", "the spool reaches its limit", drops=True)
def spool_full(work: Path, scale: Scale) -> Verdict:
    del scale
    with oracle(work, frames=400, limit_bytes=40_000) as watching:
        watching.start()
        watching.until(lambda: "the spool is full" in watching.printed())
        watching.repaired()
        with serving_core(watching):
            return watching.finish()


@fault("disk", "damages a page of the spool", drops=True)
def spool_page_damaged(work: Path, scale: Scale) -> Verdict:
    del scale
    return _damaged(work, damaged_bytes=4096, most_lost=40)


@fault("disk", "damages a sector of the spool", drops=True)
def spool_sector_damaged(work: Path, scale: Scale) -> Verdict:
    """At the head of a page, without which SQLite reads none of it."""
    del scale
    return _damaged(work, damaged_bytes=512, most_lost=3)


def _damaged(work: Path, *, damaged_bytes: int, most_lost: int) -> Verdict:
    with oracle(work, frames=150) as watching:
        watching.start()
        watching.until(lambda: "end" in lines(watching.plan["decided"]))
        watching.end()
        file = Path(watching.plan["state"]) / "spool.sqlite"
        content = bytearray(file.read_bytes())
        middle = len(content) // 8192 * 4096
        content[middle : middle + damaged_bytes] = os.urandom(damaged_bytes)
        file.write_bytes(content)
        watching.repaired()
        with serving_core(watching):
            watching.plan["frames"] = 0
            watching.start()
            watching.until(watching.core.reported)
            watching.until(lambda: watching.core.reported()[-1]["spool"]["messages"] == 0)
            watching.until(lambda: "end" in lines(watching.plan["decided"]))
            corrupt = watching.core.reported()[-1]["spool"]["corrupt"]
            assert corrupt <= most_lost
            arrived = {message["id"] for message in watching.core.arrived()}
            missing = [id_ for id_ in lines(watching.plan["promised"]) if id_ not in arrived]
            assert len(missing) == corrupt, (missing, corrupt)
            # They are counted, so the rest of the line is about the others.
            kept = [id_ for id_ in lines(watching.plan["promised"]) if id_ in arrived]
            Path(watching.plan["promised"]).write_text("".join(f"{id_}\n" for id_ in kept))
            return watching.finish()


# The model


def _with_model(work: Path, change: Callable[[Path], None], **model: Any) -> Verdict:
    """A good model runs and is kept; then a changed one is deployed."""
    good, bad = _artifact(work / "good", b"good"), _artifact(work / "bad", b"bad")
    with oracle(work, frames=40, model=good) as watching, serving_core(watching):
        watching.start()
        watching.until((Path(watching.plan["state"]) / "models" / "good").exists)
        watching.until(lambda: "end" in lines(watching.plan["decided"]))
        watching.end()
        change(Path(bad["archive"]))
        Path(watching.plan["decided"]).write_text("")
        bad_model = {**bad, **({"crashes": bad["digest"]} if model.get("crashes") else {})}
        if model.get("crashes"):
            watching.plan["model"] = bad_model
            for _ in range(MOST_FAILED_STARTS):
                process = watching.start()
                assert process.wait() == -signal.SIGABRT, watching.tail()
        watching.repaired()
        watching.restart(model=bad_model)
        verdict = watching.finish()
        runs = verdict.heartbeat["model"]["digest"]
        assert runs == good["digest"], "the last good model does not run"
        errors = [one["error"]["message"] for one in watching.core.arrived() if "error" in one]
        assert any(bad["digest"] in text for text in errors), errors
        return verdict


def _artifact(folder: Path, comment: bytes) -> dict[str, Any]:
    """The shapes model, with a digest of its own."""
    folder.mkdir(parents=True)
    archive = folder / "model.zip"
    shutil.copyfile(pinned_artifact(), archive)
    with zipfile.ZipFile(archive, "a") as packed:
        packed.comment = comment
        packed.extractall(folder / "model")
    return {
        "archive": str(archive),
        "directory": str(folder / "model"),
        "digest": sha256_of(archive),
    }


@fault("model", "the artifact is another one than was deployed")
def artifact_swapped(work: Path, scale: Scale) -> Verdict:
    del scale

    def swap(archive: Path) -> None:
        shutil.copyfile(work / "good" / "model.zip", archive)

    return _with_model(work, swap)


@fault("model", "the artifact is truncated")
def artifact_truncated(work: Path, scale: Scale) -> Verdict:
    del scale
    return _with_model(work, lambda archive: os.truncate(archive, 1000))


@fault("model", "the graph beside the artifact is hostile")
def artifact_hostile(work: Path, scale: Scale) -> Verdict:
    del scale

    def poison(archive: Path) -> None:
        graph = next((archive.parent / "model").glob("*.pb"))
        graph.write_bytes(b"\x0a" * 56)

    return _with_model(work, poison)


@fault("model", "ends the process at each start")
def model_crashes(work: Path, scale: Scale) -> Verdict:
    del scale
    return _with_model(work, lambda _: None, crashes=True)


# The machine


def _clock(name: str, jump_seconds: Callable[[], int]) -> None:
    @fault("machine", f"the clock jumps {name}")
    def run(work: Path, scale: Scale) -> Verdict:
        # The camera waits for the jump: there are pictures before and after it.
        with (
            oracle(
                work, frames=scale.frames, camera_fault="blocks", camera_at=scale.frames // 3
            ) as watching,
            serving_core(watching),
        ):
            library, jump = work / "clock.so", work / "jump"
            source = Path(__file__).with_name("clock.c")
            subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
            jump.write_bytes(struct.pack("q", 0))
            watching.start(LD_PRELOAD=str(library), CLOCK_JUMP_FILE=str(jump))
            watching.until_decided(5)
            with jump.open("r+b") as file:
                file.write(struct.pack("q", jump_seconds()))
            watching.repair_camera()
            verdict = watching.finish()
            times = [
                one["frame"]["captured_at"] for one in watching.core.arrived() if "frame" in one
            ]
            assert min(times)[:13] != max(times)[:13], "the clock did not jump"
            return verdict


_clock("to 1970", lambda: -int(time.time()))
_clock("an hour back", lambda: -3600)
_clock("a day ahead", lambda: 86400)


@fault("machine", "inference takes ten times as long")
def slow_engine(work: Path, scale: Scale) -> Verdict:
    with oracle(work, frames=scale.frames, engine_seconds=0.1) as watching:
        verdict = undisturbed(watching)
    # The newest frame wins; the others are dropped, and the heartbeat says how many.
    assert verdict.heartbeat["dropped"]["frames"] > 0
    assert verdict.decided < scale.frames
    return verdict


@fault("machine", "memory runs out in the engine")
def memory_limit(work: Path, scale: Scale) -> Verdict:
    with oracle(
        work, frames=scale.frames, memory_limit_mib=3000, hungry_at=20, interval_seconds=0.05
    ) as watching:
        verdict = undisturbed(watching)
    assert verdict.heartbeat["last_error"] is not None
    assert "MemoryError" in verdict.heartbeat["last_error"]["type"]
    return verdict


@fault("machine", "does 10,000 frames; memory grows by less than 5 %")
def endurance(work: Path, scale: Scale) -> Verdict:
    frames = scale.endurance_frames
    with oracle(work, frames=frames, interval_seconds=0.002) as watching, serving_core(watching):
        process = watching.start()
        watching.until(lambda: _frames_done(watching) > frames // 5)
        before = _resident_kib(process.pid)
        watching.until(lambda: "end" in lines(watching.plan["decided"]))
        after = _resident_kib(process.pid)
        assert after <= before * _MOST_GROWTH, f"from {before} to {after} KiB"
        return watching.finish()


def _frames_done(watching: Oracle) -> int:
    reported = watching.core.reported()
    return int(reported[-1]["frames"]) if reported else 0


def _resident_kib(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1])


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as opened:
        size = 1 << 16
        while size:
            try:
                opened.write(b"\0" * size)
            except OSError:
                size //= 2
