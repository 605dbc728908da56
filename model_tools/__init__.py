"""Conversion of trained models into verified, frozen artifacts: a library and a command line.

model_tools does not use CDK.
"""
