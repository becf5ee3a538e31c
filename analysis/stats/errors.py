"""What the numerical core says when it cannot answer."""


class UnusableData(ValueError):
    """The input cannot give a number that means anything.

    The message names what is wrong, where (site, feature, row), and what to do about it; it is
    shown to people as it stands.
    """


class UnsoundEffect(UnusableData):
    """An effect that cannot be pooled, by its place: whoever knows the names can say them."""

    def __init__(self, what: str, cohort: int, feature: int, n_such: int) -> None:
        self.what, self.cohort, self.feature, self.n_such = what, cohort, feature, n_such
        super().__init__(
            f"Cohort {cohort}, feature {feature} (counted from 0) has {what}; "
            f"{n_such} such in all. Refit that cohort or set both to NaN."
        )
