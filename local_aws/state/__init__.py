"""The saved state of the emulator: files, snapshots and recovery."""
