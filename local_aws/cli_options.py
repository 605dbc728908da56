"""Texts that the commands of the emulator share."""


def examples(*lines: str) -> str:
    """Return the epilog of a command's help that shows how it is called."""
    # The first line is click's mark for text that is not wrapped.
    return "\b\nExamples:\n" + "\n".join(f"  deeplens {line}" for line in lines)
