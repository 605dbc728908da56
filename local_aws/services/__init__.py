"""The services that the emulator adds to ministack, and parts that ministack's services lack.

A service is a module, or a package with `service.py`. The class of a service has `operations` by
their names in botocore's model, a method or an `api` that parses, authorizes and responds to
requests, and the resources as JSON.
"""
