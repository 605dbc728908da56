"""Programs and doubles that tests and benchmarks share; not installed."""
