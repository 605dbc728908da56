"""Artifacts: a graph, labels and manifest.json in one archive, named by its SHA-256."""
