"""SageMaker hosting: models, endpoint configurations, endpoints, and InvokeEndpoint."""
