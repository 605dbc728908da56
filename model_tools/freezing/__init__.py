"""Freeze a loaded model into a graph that its runtime can read, with the outputs of its source."""
