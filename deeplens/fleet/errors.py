"""Errors of commands for fleets."""


class FleetError(Exception):
    """A command is not possible; the message contains the reason and what works."""


class WrongInputError(FleetError):
    """An argument has an invalid value."""


class EmulatorNotRunningError(FleetError):
    """`--local` is given, and the emulator of the checkout is not running."""

    exit_code = 3
