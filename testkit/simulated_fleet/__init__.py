"""A fleet of simulated core devices: any number of them, without a process for each.

A simulated core uses the device's APIs (IoT jobs data, MQTT publish, named shadows) and runs no
component: the result of a release on it is drawn from a seed. Complete virtual cores, which run the
function, are in `local_aws.core_device`.
"""
