"""One environment file plus one artifact, as CloudFormation."""
