"""The project's constructs, with one module for each."""
