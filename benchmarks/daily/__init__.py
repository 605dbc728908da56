"""The daily loop, measured: synthesize, compare, deploy, see it on the camera.

`make benchmark-daily` measures everything and rewrites `docs/performance.md`.
"""
