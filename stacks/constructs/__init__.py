"""The domain's nouns, each one construct."""
