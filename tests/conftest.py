"""What holds for every test."""

import multiprocessing

from hypothesis import HealthCheck, settings

# A busy machine must not fail a property: speed is what benchmarks are for.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

# Models are read in processes of their own, dozens of them: TensorFlow is loaded once for all.
multiprocessing.set_forkserver_preload(["tensorflow"])
