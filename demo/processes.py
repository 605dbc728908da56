"""Child processes that end with the command that started them, however it ends."""

import ctypes
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

_PR_SET_PDEATHSIG = 1
_GRACE_SECONDS = 12.0
_SAY_EVERY_SECONDS = 5.0
# What TensorFlow's native code logs.
_NOISE = re.compile(r"[IWE]\d{4} |WARNING: All log messages before absl")

_libc = ctypes.CDLL(None, use_errno=True)


class CommandFailed(Exception):  # noqa: N818 - says what happened
    """A command of the demo ended with an error; the text is its last output."""


def run(command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> str:
    """Run to the end, keep the output in `log`, return it; long work shows its latest line.

    Raises:
        CommandFailed: the exit code is not zero.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        child = _start(command, output.fileno(), env)
        try:
            code = _wait(child, log)
        except BaseException:
            stop(child)
            raise
    text = log.read_text(encoding="utf-8", errors="replace")
    if code:
        tail = "\n".join(text.strip().splitlines()[-25:])
        name = " ".join(str(part) for part in command[:4])
        raise CommandFailed(f"`{name} …` ended with {code}; its last lines ({log}):\n{tail}")
    return text


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Keep a process running for the length of a `with` block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as output:
        child = _start(command, output.fileno(), env)
    try:
        yield child
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a child, politely first."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait(child: subprocess.Popen[bytes], log: Path) -> int:
    began = time.monotonic()
    while True:
        try:
            return child.wait(_SAY_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
            telling = (line for line in reversed(lines) if line.strip() and not _NOISE.match(line))
            said = "".join(filter(str.isprintable, next(telling, ""))).strip()[:80]
            click.echo(f"  … {time.monotonic() - began:.0f} s  {said}".rstrip())


def _start(
    command: Sequence[str | Path], output: int, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    parent = os.getpid()

    def die_with_parent() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(  # noqa: S603 - the project's own commands
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        # A terminal's Ctrl-C goes to us alone: we end our children in order.
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - single-threaded here
    )
