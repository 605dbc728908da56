"""Measurements of the daily loop: synthesize, compare, deploy, and receive a camera's message.

`make benchmark-daily` runs all measurements and rewrites `docs/performance.md`.
"""
