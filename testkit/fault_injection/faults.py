"""The injected faults, with the criteria for the result of each fault.

`Scale` sets the durations: an outage lasts seconds in CI, and ten minutes in
`make reliability-nightly`.
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

from camera.model_loader import MAX_FAILED_STARTS
from shared.artifact.archive import sha256_of
from testkit.fault_injection.oracle import FaultResult, Oracle, lines, oracle, serving_core
from testkit.pinned import pinned_artifact

_TINY_DISK_BYTES = 4 << 20
# The maximum number of messages on a page. A page of 4096 bytes contains about 13 messages of 300
# bytes; the limit has a margin.
_MAX_MESSAGES_ON_A_PAGE = 40


@dataclass(frozen=True)
class Scale:
    """Durations of faults, in seconds, and numbers of frames."""

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
_MAX_GROWTH = 1.05
_REPORTED_AFTER_SECONDS = 12.0


@dataclass(frozen=True)
class InjectedFault:
    """A fault, the function that injects it, and the limits for its result.

    Attributes:
        group: the part that fails, for example `camera`.
        name: the fault, as in the table of docs/reliability.md.
        run: runs the loop with the fault, and returns the result.
        max_duplicates: limit of duplicates that neither a missing acknowledgement nor an end of the
            process explains.
        drops: true if messages may be dropped; dropped messages must be counted and reported.
    """

    group: str
    name: str
    run: Callable[[Path, Scale], FaultResult] = field(repr=False)
    max_duplicates: int = 0
    drops: bool = False


FAULTS: list[InjectedFault] = []

Run = Callable[[Path, Scale], FaultResult]


def fault(group: str, name: str, **more: Any) -> Callable[[Run], Run]:
    """Return a decorator that adds a fault to `FAULTS`."""

    def add(run: Run) -> Run:
        FAULTS.append(InjectedFault(group, name, run, **more))
        return run

    return add


def without_core_fault(watching: Oracle) -> FaultResult:
    """Run the loop with a core that has no fault; return the result."""
    with serving_core(watching):
        watching.start()
        return watching.finish()


def _camera_fails(work: Path, scale: Scale, fault: str, error: str, **plan: Any) -> FaultResult:
    """Run the loop with a camera fault until the loop reports `error`; return the result."""
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


# Faults of the camera


@fault("camera", "disappears, and returns")
def camera_gone(work: Path, scale: Scale) -> FaultResult:
    return _camera_fails(work, scale, "is gone", "CameraError")


@fault("camera", "does not respond for 30 s")
def camera_blocks(work: Path, scale: Scale) -> FaultResult:
    with (
        oracle(work, frames=scale.frames, camera_fault="blocks") as watching,
        serving_core(watching),
    ):
        watching.start()
        time.sleep(scale.blocked_seconds)
        if scale.blocked_seconds > _REPORTED_AFTER_SECONDS:
            watching.until(lambda: "has not responded" in str(_last_error(watching)))
        watching.repair_camera()
        return watching.finish()


@fault("camera", "raises")
def camera_raises(work: Path, scale: Scale) -> FaultResult:
    return _camera_fails(work, scale, "raises", "a bug in the driver")


@fault("camera", "returns truncated images")
def camera_truncates(work: Path, scale: Scale) -> FaultResult:
    return _camera_fails(work, scale, "truncates", "truncated")


@fault("camera", "returns the same image for 10 s")
def camera_freezes(work: Path, scale: Scale) -> FaultResult:
    result = _camera_fails(
        work,
        scale,
        "freezes",
        "has been the same",
        frozen_seconds=scale.frozen_seconds,
        interval_seconds=0.05,
    )
    assert result.heartbeat["picture"] == "ok", "the frames change again"
    return result


# Faults of Greengrass and the cloud


def _outage(work: Path, scale: Scale, **plan: Any) -> FaultResult:
    with oracle(work, frames=scale.frames, **plan) as watching:
        with serving_core(watching):
            watching.start()
            watching.until_decided(10)
        time.sleep(scale.outage_seconds)
        watching.note_repair()
        with serving_core(watching):
            return watching.finish()


@fault("core", "rejects connections")
def core_rejects(work: Path, scale: Scale) -> FaultResult:
    return _outage(work, Scale(outage_seconds=1.0, frames=scale.frames))


@fault("core", "is offline for 10 minutes")
def core_out(work: Path, scale: Scale) -> FaultResult:
    return _outage(work, scale)


@fault("core", "accepts connections and does not respond")
def core_black_hole(work: Path, scale: Scale) -> FaultResult:
    with (
        oracle(work, frames=scale.frames, publish_seconds=0.5) as watching,
        serving_core(watching),
    ):
        watching.start()
        watching.until_decided(10)
        watching.core.answers = False
        time.sleep(min(scale.outage_seconds, 60))
        watching.core.answers = True
        watching.note_repair()
        return watching.finish()


@fault("core", "loses every 10th acknowledgement")
def core_loses_acknowledgements(work: Path, scale: Scale) -> FaultResult:
    del scale
    with oracle(work, frames=200, publish_seconds=1.0) as watching, serving_core(watching):
        watching.core.loses_every_nth_acknowledgement = 10
        watching.start()
        watching.until(lambda: len(watching.core.arrived()) >= 40)
        watching.core.loses_every_nth_acknowledgement = 0
        watching.note_repair()
        result = watching.finish()
    assert result.duplicates > 0, "unacknowledged messages are sent again"
    return result


@fault("core", "fails each publish for a while")
def core_fails(work: Path, scale: Scale) -> FaultResult:
    with oracle(work, frames=scale.frames) as watching, serving_core(watching):
        watching.core.failures = 4
        watching.start()
        watching.until_decided(20)
        watching.note_repair()
        return watching.finish()


@fault("core", "rejects the topic: expired credentials, removed permission")
def core_unauthorised(work: Path, scale: Scale) -> FaultResult:
    with oracle(work, frames=scale.frames) as watching, serving_core(watching):
        watching.start()
        watching.until_decided(5)
        watching.core.rejects_all = True
        watching.until(lambda: watching.core.refused_topics)
        watching.core.rejects_all = False
        watching.core.refused_topics.clear()
        watching.note_repair()
        return watching.finish()


# Faults of the process


def _killed(point: str) -> None:
    @fault("process", f"SIGKILL {point}")
    def run(work: Path, scale: Scale) -> FaultResult:
        del scale
        with oracle(work, kill_at=point, kill_after=5) as watching, serving_core(watching):
            watching.start()
            watching.until_killed()
            watching.note_repair()
            watching.restart(kill_at=None)
            return watching.finish()


for _point in (
    "before it is queued",
    "before it is spooled",
    "within the commit",
    "after it is spooled",
    "before it is sent",
    "after the acknowledgement",
    "within the removal",
    "after the removal",
):
    _killed(_point)


@fault("process", "SIGKILL during an outage")
def killed_in_outage(work: Path, scale: Scale) -> FaultResult:
    del scale
    with oracle(work) as watching:
        process = watching.start()
        watching.until(lambda: len(lines(watching.plan["stored"])) >= 20)
        process.kill()
        process.wait()
        watching.note_repair()
        with serving_core(watching):
            watching.restart()
            return watching.finish()


@fault("process", "SIGTERM during a write")
def ended_within_write(work: Path, scale: Scale) -> FaultResult:
    del scale
    with oracle(work, commit_seconds=1.0) as watching, serving_core(watching):
        watching.start()
        watching.until_decided(3)
        watching.end()
        # All messages that were created before SIGTERM are on disk.
        assert set(lines(watching.plan["decided"])) == set(lines(watching.plan["stored"]))
        watching.note_repair()
        watching.restart(commit_seconds=0.0)
        return watching.finish()


# Faults of the disk


@fault("disk", "is full", drops=True, max_duplicates=1)
def disk_full(work: Path, scale: Scale) -> FaultResult:
    """Run the loop on a file system of 4 MiB that another file fills; return the result."""
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
        # Without the core, all messages remain in the spool.
        watching.until(lambda: len(lines(watching.plan["stored"])) >= 20)
        inside = Path(f"/proc/{process.pid}/root{disk}")
        _fill(inside / "other.log")
        watching.repair_camera()
        watching.until(lambda: "the spool cannot be written" in watching.printed())
        assert len(lines(watching.plan["stored"])) >= 20
        watching.note_repair()
        with serving_core(watching):
            # The disk is still full, but the spool's reserved space allows removals.
            watching.until(lambda: len(watching.core.arrived()) >= 20)
            (inside / "other.log").unlink()
            return watching.finish()


@fault("disk", "the spool reaches its limit", drops=True)
def spool_full(work: Path, scale: Scale) -> FaultResult:
    del scale
    with oracle(work, frames=400, limit_bytes=40_000) as watching:
        watching.start()
        watching.until(lambda: "the spool is full" in watching.printed())
        watching.note_repair()
        with serving_core(watching):
            return watching.finish()


@fault("disk", "damages a page of the spool", drops=True)
def spool_page_damaged(work: Path, scale: Scale) -> FaultResult:
    del scale
    return _damaged(work, damaged_bytes=4096)


@fault("disk", "damages a sector of the spool", drops=True)
def spool_sector_damaged(work: Path, scale: Scale) -> FaultResult:
    """Damage the sector with the header of a page; return the result.

    SQLite cannot read a page without its header.
    """
    del scale
    return _damaged(work, damaged_bytes=512)


def _damaged(work: Path, *, damaged_bytes: int) -> FaultResult:
    with oracle(work, frames=150) as watching:
        watching.start()
        watching.until(lambda: "end" in lines(watching.plan["decided"]))
        watching.end()
        file = Path(watching.plan["state"]) / "spool.sqlite"
        content = bytearray(file.read_bytes())
        middle = len(content) // 8192 * 4096
        content[middle : middle + damaged_bytes] = os.urandom(damaged_bytes)
        file.write_bytes(content)
        watching.note_repair()
        with serving_core(watching):
            watching.plan["frames"] = 0
            watching.start()
            watching.until(watching.core.reported)
            watching.until(lambda: watching.core.reported()[-1]["spool"]["messages"] == 0)
            watching.until(lambda: "end" in lines(watching.plan["decided"]))
            corrupt = watching.core.reported()[-1]["spool"]["corrupt"]
            assert corrupt <= _MAX_MESSAGES_ON_A_PAGE
            arrived = {message["id"] for message in watching.core.arrived()}
            missing = [id_ for id_ in lines(watching.plan["stored"]) if id_ not in arrived]
            assert len(missing) == corrupt, (missing, corrupt)
            # Messages on the damaged page are lost, so the oracle checks only the others.
            readable = [id_ for id_ in lines(watching.plan["stored"]) if id_ in arrived]
            Path(watching.plan["stored"]).write_text("".join(f"{id_}\n" for id_ in readable))
            return watching.finish()


# Faults of the model


def _with_model(work: Path, change: Callable[[Path], None], **model: Any) -> FaultResult:
    """Run a good model and deploy a changed one; return the result.

    Also check that the good model runs again, and that an error names the changed model.
    """
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
            for _ in range(MAX_FAILED_STARTS):
                process = watching.start()
                assert process.wait() == -signal.SIGABRT, watching.tail()
        watching.note_repair()
        watching.restart(model=bad_model)
        result = watching.finish()
        running = result.heartbeat["model"]["digest"]
        assert running == good["digest"], "the last good model does not run"
        errors = [
            message["error"]["message"] for message in watching.core.arrived() if "error" in message
        ]
        assert any(bad["digest"] in text for text in errors), errors
        return result


def _artifact(folder: Path, comment: bytes) -> dict[str, Any]:
    """Write a copy of the shapes model with another digest; return the copy's paths and digest."""
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


@fault("model", "the artifact is not the deployed one")
def artifact_swapped(work: Path, scale: Scale) -> FaultResult:
    del scale

    def swap(archive: Path) -> None:
        shutil.copyfile(work / "good" / "model.zip", archive)

    return _with_model(work, swap)


@fault("model", "the artifact is truncated")
def artifact_truncated(work: Path, scale: Scale) -> FaultResult:
    del scale
    return _with_model(work, lambda archive: os.truncate(archive, 1000))


@fault("model", "the unpacked graph is malicious")
def artifact_hostile(work: Path, scale: Scale) -> FaultResult:
    del scale

    def poison(archive: Path) -> None:
        graph = next((archive.parent / "model").glob("*.pb"))
        graph.write_bytes(b"\x0a" * 56)

    return _with_model(work, poison)


@fault("model", "ends the process at each start")
def model_crashes(work: Path, scale: Scale) -> FaultResult:
    del scale
    return _with_model(work, lambda _: None, crashes=True)


# Faults of the machine


def _clock(name: str, jump_seconds: Callable[[], int]) -> None:
    @fault("machine", f"the clock jumps {name}")
    def run(work: Path, scale: Scale) -> FaultResult:
        # The camera blocks until the jump, so the run has frames before and after the jump.
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
            result = watching.finish()
            times = [
                message["frame"]["captured_at"]
                for message in watching.core.arrived()
                if "frame" in message
            ]
            assert min(times)[:13] != max(times)[:13], "the clock did not jump"
            return result


_clock("to 1970", lambda: -int(time.time()))
_clock("an hour back", lambda: -3600)
_clock("a day ahead", lambda: 86400)


@fault("machine", "inference takes ten times as long")
def slow_engine(work: Path, scale: Scale) -> FaultResult:
    with oracle(work, frames=scale.frames, engine_seconds=0.1) as watching:
        result = without_core_fault(watching)
    # The loop processes only the newest frame, and the heartbeat counts the dropped frames.
    assert result.heartbeat["dropped"]["frames"] > 0
    assert result.decided < scale.frames
    return result


@fault("machine", "memory runs out in the engine")
def memory_limit(work: Path, scale: Scale) -> FaultResult:
    with oracle(
        work, frames=scale.frames, memory_limit_mib=3000, allocates_at=20, interval_seconds=0.05
    ) as watching:
        result = without_core_fault(watching)
    assert result.heartbeat["last_error"] is not None
    assert "MemoryError" in result.heartbeat["last_error"]["type"]
    return result


@fault("machine", "processes 10,000 frames; memory grows by less than 5 %")
def endurance(work: Path, scale: Scale) -> FaultResult:
    frames = scale.endurance_frames
    with oracle(work, frames=frames, interval_seconds=0.002) as watching, serving_core(watching):
        process = watching.start()
        watching.until(lambda: _frames_done(watching) > frames // 5)
        before = _resident_kib(process.pid)
        watching.until(lambda: "end" in lines(watching.plan["decided"]))
        after = _resident_kib(process.pid)
        assert after <= before * _MAX_GROWTH, f"from {before} to {after} KiB"
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
