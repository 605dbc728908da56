"""The iris classifier of the DeepLens guide: three species by four measurements in cm."""
