"""Programs and test doubles that tests and benchmarks share; an installation does not contain them."""
