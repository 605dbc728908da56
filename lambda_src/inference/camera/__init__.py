"""The loop on the camera: frame → inference → message, for as long as the device runs."""
