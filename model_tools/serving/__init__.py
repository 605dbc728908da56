"""A REST server compatible with TensorFlow Serving, and SageMaker's container API.

versions        base path → the numbered versions that are loaded, which `engines` run
rest_api        a request of TensorFlow Serving's REST API → its response
sagemaker_api   a request to SageMaker's container → a request to `rest_api`, or to inference.py
http_server     both APIs on ports
"""
