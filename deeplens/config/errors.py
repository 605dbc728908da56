"""What goes wrong with environments and the artifacts that they pin."""


class ConfigError(Exception):
    """An environment file, or the artifact that it pins, cannot be used as it is.

    The text names the file, the key, what was given and what would work: a line per problem.
    """
