"""Sample models: shapes, head poses and irises."""
