"""The way from a trained model to a detection, end to end, on one machine."""
