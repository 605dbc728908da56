"""The commands of `model-tools`, one module each; what is slow is imported when it is run."""
