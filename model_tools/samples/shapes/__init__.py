"""The shapes detector, which is the model of the demonstration."""
