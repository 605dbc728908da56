"""SageMaker hosting with InvokeEndpoint, and definitions that are only stored."""
