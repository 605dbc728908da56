"""The loop on the camera: frame → inference → message, for as long as the device runs.

Errors:

    CameraLoopError
    ├── SettingsError     an environment variable is missing or wrong
    └── CaptureError      the camera gave no picture this time
"""
