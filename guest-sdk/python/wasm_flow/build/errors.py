"""What a build fails with."""


class BuildError(Exception):
    """Why no component was made, in words for people."""
