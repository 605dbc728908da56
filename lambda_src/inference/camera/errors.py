"""Errors of the camera.

    DeviceError
    ├── SettingsError   a setting is missing or invalid: the previous one applies, or nothing runs
    ├── CameraError     the camera returned no usable frame: capturing is retried
    ├── SpoolError      a message could not be stored on disk: it is dropped and counted
    ├── CropError       a crop of an uncertain detection could not be stored: it is counted
    └── PublishError    a message was not accepted: it remains in the spool and is sent again

Errors of the model artifact are `shared.artifact.errors.ArtifactError`.
"""


class DeviceError(Exception):
    """A failure on the camera; the text contains the problem and a value or action that works."""


class SettingsError(DeviceError):
    """A setting is missing or invalid."""


class CameraError(DeviceError):
    """The camera returned no usable frame; the next attempt may succeed."""


class SpoolError(DeviceError):
    """A message could not be stored on disk."""


class CropError(DeviceError):
    """A crop could not be stored."""


class PublishError(DeviceError):
    """A message was not accepted."""
