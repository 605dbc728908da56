"""A virtual Greengrass V2 core device, with the protocols and files of the classic nucleus or lite.

Errors:

    CoreDeviceError
    ├── DeploymentFailed     a deployment failed; the device keeps its components, or rolls back
    └── NotProvisioned       the device has no identity
"""
