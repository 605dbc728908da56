"""Signing of releases, and verification of signatures with `shared.signatures`."""
