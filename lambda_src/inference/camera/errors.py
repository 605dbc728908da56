"""Errors of this package; the tree is drawn in the package's docstring."""


class CameraLoopError(Exception):
    """Something on the camera went wrong; the text says what, and what would work."""


class SettingsError(CameraLoopError):
    """An environment variable is missing or wrong."""


class CaptureError(CameraLoopError):
    """The camera gave no picture this time; the next try may succeed."""
