"""Environments, releases, the fleet, reviews, and the commands of the emulator."""
