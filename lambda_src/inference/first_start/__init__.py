"""The first start of a generic camera: create its Python environment, then run the camera in it.

Only the standard library: none of the camera's packages is installed yet.
"""
