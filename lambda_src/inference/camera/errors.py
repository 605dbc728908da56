"""What can go wrong on the camera.

    DeviceError
    ├── SettingsError   a setting is missing or wrong: the one before stays, or nothing runs
    ├── CameraError     the camera gave no usable picture this time: the next try may succeed
    ├── SpoolError      a message could not be kept on disk: it is dropped, and counted
    ├── CropError       crops of what is uncertain cannot be kept: they are skipped, and counted
    └── PublishError    a message was not taken: it stays in the spool, and is tried again

Errors of the model artifact are `shared.artifact.errors.VisionError`.
"""


class DeviceError(Exception):
    """Something on the camera went wrong; the text says what, and what would work."""


class SettingsError(DeviceError):
    """A setting is missing or wrong."""


class CameraError(DeviceError):
    """The camera gave no usable picture this time; the next try may succeed."""


class SpoolError(DeviceError):
    """A message could not be kept on disk."""


class CropError(DeviceError):
    """Crops cannot be kept."""


class PublishError(DeviceError):
    """A message was not taken."""
