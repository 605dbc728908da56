"""The steps of a command, printed with their duration."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click


class Steps:
    """A runner of steps; `seconds` contains the duration of each completed step, by its key."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, key: str, title: str) -> Iterator[None]:
        """Print the title, run the block, and print and store its duration in seconds."""
        click.echo(f"▸ {title} …")
        started = time.monotonic()
        yield
        self.seconds[key] = round(time.monotonic() - started, 1)
        click.echo(f"  {self.seconds[key]:.1f} s")
