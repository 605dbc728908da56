"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A busy machine must not fail a property: speed is what benchmarks are for.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
