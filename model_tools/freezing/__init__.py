"""Freeze a loaded model into a graph for its runtime, with the same outputs as its source."""
