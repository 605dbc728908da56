"""Signing releases, and checking who signed them; `shared.signatures` reads on every side."""
