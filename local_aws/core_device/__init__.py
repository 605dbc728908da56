"""A virtual Greengrass V2 core device: on the wire and on disk as the classic nucleus, in Python.

Errors:

    CoreDeviceError
    ├── DeploymentFailed     a deployment cannot be carried out; the device keeps what it ran
    └── NotProvisioned       the device has no identity here
"""
