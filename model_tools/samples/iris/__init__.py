"""The iris classifier of the DeepLens guide: four measurements in cm → one of three species."""
