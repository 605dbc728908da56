"""Exceptions of `deeplens fleet`."""


class FleetError(Exception):
    """Raised if a command is not possible; the message contains the reason and a solution."""


class WrongInputError(FleetError):
    """Raised if an argument has an invalid value."""


class EmulatorNotRunningError(FleetError):
    """Raised if `--local` is given and the emulator of the checkout is not running."""

    exit_code = 3
