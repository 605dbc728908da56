"""Fixtures for tests of transcripts."""

from tests.emulator.transcripts.lite_fleet import player

__all__ = ["player"]
