"""A REST server that answers as TensorFlow Serving, and SageMaker's container around it.

versions     base path → the numbered versions that are loaded   (engines run them)
rest         a request of TensorFlow Serving's REST API → its answer
container    a request to SageMaker's container → one to `rest`, perhaps through inference.py
http         both on a port
"""
