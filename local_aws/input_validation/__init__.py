"""Validation of inputs: constraints of botocore's models, and rules that the models lack."""
