"""Signing releases, and checking who signed them; `vision.signatures` reads on every side."""
