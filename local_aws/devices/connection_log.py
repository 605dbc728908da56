"""The log of the aiohttp servers' connections: one line for each client that disconnects early."""

import logging

CONNECTIONS = logging.getLogger(__name__)


def _one_line(record: logging.LogRecord) -> bool:
    """Shorten what aiohttp reports of a client's faults: a traceback shows only aiohttp's code."""
    if record.exc_info and record.exc_info[1]:
        record.msg = f"{record.getMessage()}: {type(record.exc_info[1]).__name__}"
        record.args, record.exc_info = (), None
    return True


CONNECTIONS.addFilter(_one_line)
