"""The local steps from a trained model to a detection."""
