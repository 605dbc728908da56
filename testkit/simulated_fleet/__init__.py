"""A fleet of any number of simulated core devices in one process.

A simulated core uses the device's APIs (IoT jobs data, MQTT publish, named shadows) and runs no
component: a seed determines the result of each release. Complete virtual cores, which run the
function, are in `local_aws.core_device`.
"""
