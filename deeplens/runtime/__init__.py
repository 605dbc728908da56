"""The camera's Python environment as an archive of wheels, the same bytes on any machine."""
