"""`deeplens env`: environment files, and the Python packages of devices."""
