"""Formats of trained models: detection, checks, and loading as a graph of constants.

To add a format, write a module with a subclass of `base.SourceModel`, and add the class to
`detect.FORMATS`.
"""
