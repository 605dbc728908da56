"""What one does to a fleet's devices, one module per command; needs no CDK."""
