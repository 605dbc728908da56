"""Verification of artifacts: agreement of engines, sources and expectations, and diagnoses."""
