"""Sign releases, and verify signatures with `shared.signatures`."""
