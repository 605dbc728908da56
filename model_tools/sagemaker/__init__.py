"""Models for SageMaker's containers: validated, packaged reproducibly, and invoked."""
