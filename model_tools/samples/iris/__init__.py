"""The iris classifier of the DeepLens guide, from four measurements in cm to three species."""
