"""Messages that a camera sends, as dataclasses from which their documentation is generated."""
