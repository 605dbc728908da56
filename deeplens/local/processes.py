"""Child processes that end with the command that started them."""

import os
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deeplens.local.status import status_line
from local_aws.process.child_processes import ends_with_parent

WRONG_INPUT = 2
_GRACE_SECONDS = 12.0
_POLL_SECONDS = 0.25
# The variable with the path of the file into which `deeplens model` writes its newest line of
# progress.
_PROGRESS_VARIABLE = "MODEL_TOOLS_PROGRESS"
# An event of the CDK CLI: stack, number of completed resources, time.
_CDK_EVENT = re.compile(r"^(\S+) \|\s*([0-9]+)(?:/[0-9]+)? \|", re.MULTILINE)


# The prefix that click prints before an error.
_ERROR = "Error: "


class CommandFailed(Exception):  # noqa: N818 - names an event
    """Raised if a command or a step fails; `exit_code` is the exit code for `deeplens`."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def run(
    command: Sequence[str | Path],
    log: Path,
    env: Mapping[str, str] | None = None,
    *,
    accepted: Collection[int] = (0,),
) -> str:
    """Run a command to its end, and return its output, which is also in `log`.

    The status line shows the phase of long work.

    Raises:
        CommandFailed: the exit code is not in `accepted`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    progress = log.with_suffix(".progress")
    progress.unlink(missing_ok=True)
    variables = {**(os.environ if env is None else env), _PROGRESS_VARIABLE: str(progress)}
    with log.open("w", encoding="utf-8") as output:
        child = _start(command, output.fileno(), variables)
        try:
            code = _wait(child, log, progress)
        except BaseException:
            stop(child)
            raise
    text = log.read_text(encoding="utf-8", errors="replace")
    if code not in accepted:
        raise _failure(command, code, text, log)
    return text


def _failure(command: Sequence[str | Path], code: int, text: str, log: Path) -> CommandFailed:
    """Return an exception with the output's last error, or its last lines if it has no error."""
    lines = text.strip().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(_ERROR)]
    if starts:
        error = "\n".join(lines[starts[-1] :]).removeprefix(_ERROR)
        return CommandFailed(error, WRONG_INPUT if code == WRONG_INPUT else 1)
    tail = "\n".join(lines[-25:])
    name = " ".join(str(part) for part in command[:4])
    return CommandFailed(f"`{name} …` ended with {code}; its last lines ({log}):\n{tail}")


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process during the block, and append its output to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as output:
        child = _start(command, output.fileno(), env)
    try:
        yield child
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes]) -> None:
    """Terminate a child process; kill it if it has not ended after 12 s."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait(child: subprocess.Popen[bytes], log: Path, progress: Path) -> int:
    with status_line() as status:
        while True:
            try:
                return child.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                status.update(_phase(log, progress))


def _phase(log: Path, progress: Path) -> str:
    """Return a command's phase from its progress file or CDK's newest event; by default, empty."""
    try:
        return progress.read_text(encoding="utf-8")
    except FileNotFoundError:
        events = _CDK_EVENT.findall(log.read_text(encoding="utf-8", errors="replace"))
    return f"{events[-1][0]}: {events[-1][1]} resources done" if events else ""


def _start(
    command: Sequence[str | Path], output: int, env: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - commands of this project
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        # With a separate session, Ctrl-C signals only this process, which ends its children in
        # order.
        start_new_session=True,
        preexec_fn=ends_with_parent(),  # noqa: PLW1509 - this process has one thread
    )
