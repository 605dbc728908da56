"""Greengrass V2 in the cloud: the control plane, and the data plane of core devices."""
