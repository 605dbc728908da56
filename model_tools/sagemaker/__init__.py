"""Models for SageMaker's own containers: validated, packed the same each time, and invoked."""
