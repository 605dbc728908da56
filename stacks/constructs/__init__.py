"""The constructs of the domain, with one module for each."""
