"""Models in whatever format they came, as one thing: a graph of constants and a way to run it."""
