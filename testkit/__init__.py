"""Programs and test doubles shared by tests and benchmarks; they are not installed."""
