"""Passes that rewrite a graph for inference."""
