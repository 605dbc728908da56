"""The script that prepares or checks a device; it runs on the device, without this package."""
