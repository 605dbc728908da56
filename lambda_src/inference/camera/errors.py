"""What can go wrong on the camera.

    DeviceError
    ├── SettingsError   an environment variable is missing or wrong: nothing runs until it is right
    ├── CameraError     the camera gave no picture this time: the next try may succeed
    └── PublishError    a message was not taken: it is lost, the next one is tried

Errors of the model artifact are `vision.errors.VisionError`.
"""


class DeviceError(Exception):
    """Something on the camera went wrong; the text says what, and what would work."""


class SettingsError(DeviceError):
    """An environment variable is missing or wrong."""


class CameraError(DeviceError):
    """The camera gave no picture this time; the next try may succeed."""


class PublishError(DeviceError):
    """A message was not taken."""
