"""Messages of a camera, as dataclasses from which their documentation is generated."""
