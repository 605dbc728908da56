"""The first start of a generic camera: create its Python environment, then run the camera in it.

This package uses only the standard library, because the camera's packages are not installed yet.
"""
