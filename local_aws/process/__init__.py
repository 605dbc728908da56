"""The process of the emulator: its start, ports, endpoint file and end."""
