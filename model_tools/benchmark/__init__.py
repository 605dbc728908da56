"""Comparison of the engines' speed and memory."""
