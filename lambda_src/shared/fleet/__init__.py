"""A release on a fleet: deployments, the state of devices, the gate, the rollout in waves."""
