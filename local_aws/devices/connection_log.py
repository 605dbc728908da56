"""The connection log of the aiohttp servers, with one line per error."""

import logging

CONNECTIONS = logging.getLogger(__name__)


def _one_line(record: logging.LogRecord) -> bool:
    """Replace a record's traceback with the name of the exception.

    For an early disconnect, the traceback contains only aiohttp's code.
    """
    if record.exc_info and record.exc_info[1]:
        record.msg = f"{record.getMessage()}: {type(record.exc_info[1]).__name__}"
        record.args, record.exc_info = (), None
    return True


CONNECTIONS.addFilter(_one_line)
