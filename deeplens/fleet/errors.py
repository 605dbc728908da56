"""What cannot be done with a fleet."""


class FleetError(Exception):
    """A command cannot do what was asked; the text says why, and what would work."""


class WrongInputError(FleetError):
    """An argument with a value that cannot work."""
