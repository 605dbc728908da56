"""A fleet of simulated cores: as many as one likes, without a process each.

A simulated core speaks the device's own APIs (IoT jobs data, MQTT publish, named shadows) and runs
nothing: whether a release works on it is drawn from a seed. Full virtual cores, which really run
the function, are in `local_aws.core_device`.
"""
