"""Trained models become verified, frozen artifacts: a library and a command line; no CDK."""
