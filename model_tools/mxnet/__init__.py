"""Read MXNet models without MXNet, which is retired."""
