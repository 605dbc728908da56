"""A release on a fleet: deployments, device states, the gate, and the rollout in waves."""
