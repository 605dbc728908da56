"""What holds for every test."""

from hypothesis import settings

# A busy machine must not fail a property: speed is what benchmarks are for.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
