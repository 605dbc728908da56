"""Run one step of the setup; print its title and the elapsed time, not the installer's output.

Only the standard library is used because the checkout's environment does not exist yet.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

_REPORT_SECONDS = 30.0
_TERMINAL_SECONDS = 1.0
_LAST_LINES = 25


def main() -> int:
    """Run the command, and return its exit code.

    The result is 1 if the log cannot be written, 127 if the command does not exist, and 130 after
    an interrupt.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: setup_step.py 'the CDK command line' -- npm ci"
    )
    parser.add_argument("title", help="the step, as it is printed")
    parser.add_argument("command", nargs="+", help="the command, after --")
    parser.add_argument(
        "--log", type=Path, default=Path(".local/logs/setup.log"), help="file for the output"
    )
    options = parser.parse_args()
    print(f"setup: {options.title}", flush=True)
    started = time.monotonic()
    try:
        options.log.parent.mkdir(parents=True, exist_ok=True)
        opened = options.log.open("a", encoding="utf-8")
    except OSError as error:
        print(f"setup: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    with opened as log:
        log.write(f"$ {' '.join(options.command)}\n")
        log.flush()
        start = log.tell()
        try:
            code = _run(options.command, log.fileno(), started)
        except FileNotFoundError as error:
            print(f"setup: {error}", file=sys.stderr)
            return 127
        except KeyboardInterrupt:
            return 130
    if code:
        output = options.log.read_bytes()[start:].decode("utf-8", "replace")
        last_lines = "\n".join(output.strip().splitlines()[-_LAST_LINES:])
        print(
            f"setup: {options.title}: `{' '.join(options.command[:3])} …` ended with {code}; "
            f"its last lines ({options.log}):\n{last_lines}",
            file=sys.stderr,
        )
    return code


def _run(command: list[str], output: int, started: float) -> int:
    """Run the command, print the elapsed time at intervals, and return the exit code."""
    on_terminal = sys.stdout.isatty()
    child = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603 - a command of the Makefile
    try:
        while True:
            try:
                return child.wait(_TERMINAL_SECONDS if on_terminal else _REPORT_SECONDS)
            except subprocess.TimeoutExpired:
                elapsed = f"  … {time.monotonic() - started:.0f} s"
                print(f"\r{elapsed}" if on_terminal else elapsed, end="" if on_terminal else "\n")
                sys.stdout.flush()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
        if on_terminal:
            print("\r\033[K", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
