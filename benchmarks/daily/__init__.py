"""Measurements of the daily loop: synthesize, compare, deploy, receive a message from a camera.

`make benchmark-daily` measures everything and rewrites `docs/performance.md`.
"""
