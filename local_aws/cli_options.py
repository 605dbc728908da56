"""Texts shared by the emulator's commands."""


def examples(*lines: str) -> str:
    """Return the epilog with example calls for a command's help."""
    # click does not wrap a paragraph that begins with this character.
    return "\b\nExamples:\n" + "\n".join(f"  deeplens {line}" for line in lines)
