"""Snapshots while the server runs and no stack operation is in progress."""

import logging

from local_aws.ministack_hooks import persistence
from local_aws.state import snapshots
from local_aws.state.paths import StatePaths

logger = logging.getLogger(__name__)


class Recorder:
    """A recorder that takes a snapshot if the state has changed since the last one.

    Call the recorder on the event loop, where no request is in the middle of a change.
    """

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._last: object = None
        self._failed = False

    def take_snapshot(self) -> None:
        """Save the state, unless it is unchanged or a stack operation is in progress."""
        if not persistence.are_stacks_idle():
            return
        try:
            states = persistence.serialized_states()
            content = (states, snapshots.signature(self._paths.objects))
            if content == self._last:
                snapshots.confirm(self._paths)
            else:
                snapshots.add(self._paths, states)
        except RuntimeError:
            # A service's thread changed a table during the copy. The next snapshot contains the
            # change.
            return
        except Exception as error:  # noqa: BLE001 - an error of a service must not end the server
            if not self._failed:
                logger.error(  # noqa: TRY400 - no traceback is needed
                    "the state cannot be saved (%s: %s): after a kill, the emulator continues from "
                    "the last state that was saved",
                    type(error).__name__,
                    error,
                )
            self._failed = True
            return
        self._last, self._failed = content, False
