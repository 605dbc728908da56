"""Passes that rewrite a graph for inference, each in place."""
