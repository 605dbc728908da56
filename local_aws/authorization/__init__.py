"""Authorization: the caller, the checks of each operation, and a trace of decisions."""
