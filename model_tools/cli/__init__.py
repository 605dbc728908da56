"""The commands of `deeplens model`, one module each; what is slow is imported when it is run."""
