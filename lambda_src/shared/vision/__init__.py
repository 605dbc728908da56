"""Run a model artifact on images; the camera and model_tools share this package."""
