"""Comparative measurements of engines."""
