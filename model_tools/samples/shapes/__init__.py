"""The demonstration model: a detector of drawn shapes."""
