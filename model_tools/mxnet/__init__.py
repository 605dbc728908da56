"""MXNet models, read without MXNet, which is retired."""
