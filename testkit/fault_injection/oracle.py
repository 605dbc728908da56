"""The oracle, which starts the loop, injects a fault, and compares stored with received messages.

The oracle and the loop are separate processes, which share only files and sockets.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testkit.fault_injection.camera_process import TOPIC
from testkit.greengrass_ipc import Core, serving
from testkit.waiting import eventually

ROOT = Path(__file__).parents[2]
# The time limit of each wait. It only ends a hang: 10,000 frames take minutes on a busy machine.
_HANG_SECONDS = 600.0
PROGRAM = Path(__file__).with_name("camera_process.py")


class FaultyCore(Core):
    """A core that can omit acknowledgements, reject topics or fail."""

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self.arrived_at: list[float] = []
        self.loses_every_nth_acknowledgement = 0
        self.rejects_all = False
        self._received = 0

    async def receive(self, component: str, topic: str, payload: bytes, qos: int) -> None:
        """Record and acknowledge a message, or apply the configured fault."""
        if self.rejects_all:
            self.refused_topics.add(topic)
        await super().receive(component, topic, payload, qos)
        if topic == TOPIC:
            self.arrived_at.append(time.monotonic())
        if topic == TOPIC and self.loses_every_nth_acknowledgement:
            self._received += 1
            if self._received % self.loses_every_nth_acknowledgement == 0:
                await asyncio.Event().wait()

    def arrived(self) -> list[dict[str, Any]]:
        """Return the messages of the loop in the order in which they arrived."""
        return [json.loads(payload) for topic, payload, _ in list(self.published) if topic == TOPIC]


@dataclass(frozen=True)
class FaultResult:
    """The observations of the oracle; times are in seconds.

    `repeatable` is the maximum number of explained duplicates: one for each missing
    acknowledgement, and one for each restart of the loop.
    """

    decided: int
    stored: int
    lost: int
    duplicates: int
    repeatable: int
    in_order: bool
    dropped_by_id: int
    dropped_as_reported: int
    restart_seconds: float
    drained_seconds: float
    end_seconds: float
    heartbeat: dict[str, Any] = field(repr=False, default_factory=dict)


class Oracle:
    """A run of the loop with one fault."""

    def __init__(self, work: Path, **plan: Any) -> None:
        self.work = work
        work.mkdir(parents=True, exist_ok=True)
        self.core = FaultyCore(work / "ipc.socket")
        self.plan: dict[str, Any] = {
            "state": str(work / "state"),
            "decided": str(work / "decided"),
            "stored": str(work / "stored"),
            "unanswered": str(work / "unanswered"),
            "camera_repaired": str(work / "camera-repaired"),
            "frames": 60,
            **plan,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.restart_seconds = 0.0
        self._starts = 0
        self.broken_until: float | None = None
        self._log = (work / "loop.log").open("ab")

    def start(self, *, prefix: tuple[str, ...] = (), **more: Any) -> "subprocess.Popen[bytes]":
        """Start the loop with the plan and the environment variables `more`; return the process."""
        plan = self.work / "plan.json"
        plan.write_text(json.dumps(self.plan), encoding="utf-8")
        self._starts += 1
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(PROGRAM), str(plan)],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda_src'}:{ROOT / 'lambda_src/inference'}",
                **self.core.environment,
                **more,
            },
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        return self.process

    def restart(self, **plan: Any) -> None:
        """Change the plan, start the loop again, and measure the time until it publishes.

        A heartbeat also ends the measurement.
        """
        self.plan.update(plan)
        started_at, count = time.monotonic(), len(self.core.published)
        self.start()
        self.until(lambda: len(self.core.published) > count)
        self.restart_seconds = time.monotonic() - started_at

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until `holds` returns a true value."""
        eventually(holds, self.tail, seconds=_HANG_SECONDS)

    def until_reported(self) -> None:
        """Wait for a heartbeat that was created after this call."""
        # The next heartbeat may have been created before the call, so two heartbeats are necessary.
        count = len(self.core.reported())
        self.until(lambda: len(self.core.reported()) >= count + 2)

    def repair_camera(self) -> None:
        """End the fault of the camera."""
        Path(self.plan["camera_repaired"]).touch()

    def until_decided(self, count: int) -> None:
        """Wait until the loop has created `count` messages."""
        self.until(lambda: len(lines(self.plan["decided"])) >= count)

    def until_killed(self) -> None:
        """Wait until the loop ends with SIGKILL, as planned."""
        assert self.process
        code = self.process.wait(_HANG_SECONDS)
        assert code == -signal.SIGKILL, f"ended with {code}; {self.tail()}"

    def note_repair(self) -> None:
        """Record the current time as the end of the fault."""
        self.broken_until = time.monotonic()

    def finish(self) -> FaultResult:
        """Wait until all stored messages have arrived; end the loop and return the result."""
        self.until(lambda: "end" in lines(self.plan["decided"]))
        self.until(lambda: not self._missing())
        drained_seconds = 0.0
        if self.broken_until is not None and self.core.arrived_at:
            drained_seconds = max(0.0, self.core.arrived_at[-1] - self.broken_until)
        # When the spool is empty, no more duplicates can occur.
        self.until_reported()
        self.until(lambda: self.core.reported()[-1]["spool"]["messages"] == 0)
        heartbeat = self.core.reported()[-1]
        ends_at = time.monotonic()
        self.end()
        return self._result(drained_seconds, time.monotonic() - ends_at, heartbeat)

    def end(self) -> None:
        """Send SIGTERM, and check that the loop ends with exit code 0."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(_HANG_SECONDS)
        assert code == 0, f"ended with {code}; {self.tail()}"

    def close(self) -> None:
        """Kill the loop if it runs."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def tail(self) -> str:
        """Return the last 1500 characters of the loop's output."""
        return self.printed()[-1500:]

    def printed(self) -> str:
        """Return the loop's output."""
        return (self.work / "loop.log").read_text(errors="replace")

    def _missing(self) -> set[str]:
        return set(lines(self.plan["stored"])) - {message["id"] for message in self.core.arrived()}

    def _result(
        self, drained_seconds: float, end_seconds: float, heartbeat: dict[str, Any]
    ) -> FaultResult:
        stored = lines(self.plan["stored"])
        decided = [line for line in lines(self.plan["decided"]) if line != "end"]
        arrived = [message["id"] for message in self.core.arrived()]
        first = list(dict.fromkeys(arrived))
        order = {id_: position for position, id_ in enumerate(stored)}
        positions = [order[id_] for id_ in first if id_ in order]
        # `dropped_as_reported` is the camera's own count; `dropped_by_id` counts the ids in
        # `decided` that did not arrive.
        reported_drops = [
            message["dropped"]["count"] for message in self.core.arrived() if "dropped" in message
        ]
        return FaultResult(
            decided=len(decided),
            stored=len(set(stored)),
            lost=len(set(stored) - set(arrived)),
            duplicates=len(arrived) - len(first),
            repeatable=len(lines(self.plan["unanswered"])) + self._starts - 1,
            in_order=positions == sorted(positions),
            dropped_by_id=len(set(decided) - set(arrived)),
            dropped_as_reported=sum(reported_drops),
            restart_seconds=self.restart_seconds,
            drained_seconds=drained_seconds,
            end_seconds=end_seconds,
            heartbeat=heartbeat,
        )


@contextmanager
def oracle(work: Path, **plan: Any) -> Iterator[Oracle]:
    """Create an oracle, and kill its loop at the end of the `with` block."""
    created = Oracle(work, **plan)
    try:
        yield created
    finally:
        created.close()


@contextmanager
def serving_core(watching: Oracle) -> Iterator[None]:
    """Serve the core of an oracle during the `with` block."""
    with serving(watching.core):
        yield


def lines(file: str) -> list[str]:
    """Return the complete lines of a journal, or an empty list if the file does not exist."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return text.split("\n")[:-1]
