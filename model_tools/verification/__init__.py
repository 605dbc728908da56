"""Verification of artifacts: agreement of engines, sources and expectations, and diagnosis."""
