"""Fault injection into the camera's loop, with checks in a separate process."""
