"""Coverage-guided fuzzing of the readers of external files."""
