"""The HTTP endpoint, which verifies each request before a service receives it."""
