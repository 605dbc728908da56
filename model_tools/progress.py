"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PLAIN_EVERY_SECONDS = 5.0


@contextmanager
def progress_of(what: str, total: int) -> Iterator[Callable[..., None]]:
    """Give a function that takes the step reached (from 1), and perhaps the current loss."""
    if not sys.stderr.isatty():
        yield _plain_lines(what, total)
        return
    from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
    from rich.progress import Progress  # noqa: PLC0415 - as above

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda step, loss=None: bar.update(
            task, completed=step, description=f"{what}{_with(loss)}"
        )


def _with(loss: float | None) -> str:
    return "" if loss is None else f", loss {loss:.2f}"


def _plain_lines(what: str, total: int) -> Callable[..., None]:
    said_at = time.monotonic()

    def say(step: int, loss: float | None = None) -> None:
        nonlocal said_at
        if step == total or time.monotonic() - said_at >= _PLAIN_EVERY_SECONDS:
            said_at = time.monotonic()
            sys.stderr.write(f"{what}: {step} of {total}{_with(loss)}\n")
            sys.stderr.flush()

    return say
