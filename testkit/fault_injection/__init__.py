"""Fault injection into the loop of the camera, checked from outside of its process."""
