"""The script that prepares or checks a device; it runs there, and needs none of this package."""
