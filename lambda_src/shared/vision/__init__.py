"""Runs a model artifact on frames: shared by the camera and by model_tools."""
