"""Python and jsii's Node take turns: on one processor, neither waits for one to wake up."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def take_turns() -> None:
    """Keep this thread, and the main threads of the processes below it, on the processor it is on.

    Each call of CDK's is a message to Node and one back, and one side waits while the other works.
    To wake a second processor for each of them costs more than the call itself. Node's other
    threads (its compiler, its collector of garbage) stay free. A system that does not let a
    process choose is left as it is.

    Source: sched_setaffinity(2), proc(5).
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    # Whatever is refused or has just ended costs speed, nothing else.
    with suppress(OSError):
        processor = _processor_of_this_thread()
        for process in (0, *_below(os.getpid())):
            os.sched_setaffinity(process, {processor})


def _processor_of_this_thread() -> int:
    # Field 39 of proc(5); the second one, the name in parentheses, may hold spaces.
    fields = Path("/proc/thread-self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[39 - 3])


def _below(process: int) -> Iterator[int]:
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, children.read_text(encoding="utf-8").split()):
            yield child
            yield from _below(child)
