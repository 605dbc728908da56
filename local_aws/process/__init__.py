"""The emulator's process: start, ports, endpoint file and end."""
