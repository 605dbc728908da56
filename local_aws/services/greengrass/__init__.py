"""Greengrass V2, as the cloud shows it: control plane and the cores' data plane."""
