"""The project's constructs, and the modules that they share."""
