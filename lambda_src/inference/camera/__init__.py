"""The loop on the camera: from frame to inference to message, while the device runs."""
