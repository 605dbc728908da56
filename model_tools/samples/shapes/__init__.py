"""A detector of drawn shapes, the model of the demonstration."""
