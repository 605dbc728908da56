"""Run COMMAND while busy processes use the processors, and exit with its exit code.

`python -m tools.busy_loops pytest -q tests/unit` checks whether tests depend on an idle machine.
The busy processes have the same priority as COMMAND. When this process ends for any reason, COMMAND
and the busy processes also end.

Exit codes: that of COMMAND; 128 + n if signal n ended COMMAND; 127 if COMMAND cannot be started;
2 for wrong usage.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click

from local_aws.process.child_processes import ends_with_parent

# A program that is busy until its standard input is closed. The input is a pipe to which the parent
# never writes. When the parent ends, even by SIGKILL, the kernel closes the pipe.
_BUSY_LOOP = """
import select, sys
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(100_000):
        pass
"""
_FORWARDED = (signal.SIGTERM, signal.SIGHUP)


@click.command(
    help=__doc__,
    context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]},
)
@click.option(
    "--loops",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Number of busy processes.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def main(loops: int, command: tuple[str, ...]) -> None:
    """Start the busy processes, run the command, and exit with the command's exit code."""
    with ExitStack() as stack:
        for _ in range(loops):
            stack.enter_context(busy_loop())
        code = _exit_code(command)
    sys.exit(code)


@contextmanager
def busy_loop() -> Iterator[None]:
    """Keep one processor busy until the end of a `with` block."""
    # Because of the separate process group, Ctrl-C ends only the command. All busy processes share
    # one session, because Linux divides processors among sessions first (sched(7), autogroups).
    loop = subprocess.Popen(  # noqa: S603 - this interpreter, fixed arguments
        [sys.executable, "-c", _BUSY_LOOP], stdin=subprocess.PIPE, process_group=0
    )
    with loop:
        yield


def _exit_code(command: tuple[str, ...]) -> int:
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command
            command,
            preexec_fn=ends_with_parent(),  # noqa: PLW1509 - this process has one thread
        )
    except OSError as error:
        click.echo(f"{command[0]} cannot be started: {error.strerror}", err=True)
        return 127
    for number in _FORWARDED:
        signal.signal(number, lambda received, _: process.send_signal(received))
    # The terminal also sends Ctrl-C to the command, whose exit code this process returns.
    signal.signal(signal.SIGINT, lambda *_: None)
    code = process.wait()
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    main()
