"""Programs and test doubles that tests and benchmarks share; the wheel does not contain them."""
