"""Build the camera's Python environment as a reproducible archive of wheels."""
