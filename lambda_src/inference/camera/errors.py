"""Errors of the camera.

    DeviceError
    ├── SettingsError   a setting is missing or invalid: the previous one applies, or nothing runs
    ├── CameraError     the camera returned no usable frame: capturing is retried
    ├── SpoolError      a message could not be stored on disk: it is dropped and counted
    ├── CropError       a crop of an uncertain detection could not be stored: it is counted
    └── PublishError    a message was not accepted: it remains in the spool and is sent again

Errors of the model artifact are subclasses of `shared.artifact.errors.ArtifactError`.
"""


class DeviceError(Exception):
    """Base class; the text contains the problem, and a value or an action that works."""


class SettingsError(DeviceError):
    """Raised if a setting is missing or invalid."""


class CameraError(DeviceError):
    """Raised if the camera returned no usable frame; the next attempt may succeed."""


class SpoolError(DeviceError):
    """Raised if a message could not be stored on disk."""


class CropError(DeviceError):
    """Raised if a crop could not be stored."""


class PublishError(DeviceError):
    """Raised if a message was not accepted."""
