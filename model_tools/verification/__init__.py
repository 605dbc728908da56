"""Verification of artifacts: comparison with sources and expected detections, and diagnosis."""
