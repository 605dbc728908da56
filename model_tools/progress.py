"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PLAIN_EVERY_SECONDS = 5.0


@contextmanager
def progress_of(what: str, total: int) -> Iterator[Callable[[int, float], None]]:
    """Give a function that takes the step reached (from 1) and the current loss."""
    if not sys.stderr.isatty():
        yield _plain_lines(what, total)
        return
    from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
    from rich.progress import Progress  # noqa: PLC0415 - as above

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda step, loss: bar.update(
            task, completed=step, description=f"{what}, loss {loss:.2f}"
        )


def _plain_lines(what: str, total: int) -> Callable[[int, float], None]:
    said_at = time.monotonic()

    def say(step: int, loss: float) -> None:
        nonlocal said_at
        if step == total or time.monotonic() - said_at >= _PLAIN_EVERY_SECONDS:
            said_at = time.monotonic()
            sys.stderr.write(f"{what}: {step} of {total}, loss {loss:.2f}\n")
            sys.stderr.flush()

    return say
