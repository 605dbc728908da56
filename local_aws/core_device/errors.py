"""Errors of this package; the tree is drawn in the package's docstring."""


class CoreDeviceError(Exception):
    """Something about a core device is wrong; the text says what, and what would work."""


class DeploymentFailed(CoreDeviceError):  # noqa: N818 - Greengrass' own word is FAILED
    """A deployment cannot be carried out; the device keeps what it ran."""


class NotProvisioned(CoreDeviceError):  # noqa: N818 - names a state
    """The device has no identity here."""
