"""Models for SageMaker's containers: validation, reproducible packages, and requests."""
