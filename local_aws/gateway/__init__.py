"""The HTTP endpoint: it verifies each request before a service receives it."""
