"""What the numerical core says when it cannot answer."""


class UnusableData(ValueError):
    """The input cannot give a number that means anything.

    The message names what is wrong, where (site, feature, row), and what to do about it; it is
    shown to people as it stands.
    """
