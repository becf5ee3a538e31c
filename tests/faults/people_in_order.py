"""What must be so of a site's people, in plain Python, for the walks in any order."""

from __future__ import annotations

from dataclasses import dataclass, field

CODES = ("P1", "P2", "P3")
ITEMS = 3


@dataclass
class Tube:
    """stored, in_transit, blocked or destroyed; ``order`` is "", ordered or recorded."""

    owner: str
    status: str = "stored"
    order: str = ""
    travels: bool = False
    is_away: bool = False  # at the other site, which thaws it from then on
    thaws: int = 0
    order_is_away: bool = False  # to the other site, which has the tube or to which it travels

    def stop(self, *, destroy: bool) -> None:
        """A wish that ends its use; what is gone stays gone."""
        if self.status == "destroyed":
            return
        self.status = "blocked"
        if destroy and not self.order:
            self.order, self.order_is_away = "ordered", self.travels or self.is_away


@dataclass
class Person:
    """One code of the site, and what stands under it."""

    enrolled: bool = False
    erased: bool = False
    level: int = 0
    consented: bool = False
    erasure: str = ""  # "", asked or approved
    birth_year: int = 1990
    version: int = 1
    days: set[int] = field(default_factory=set)  # days with a questionnaire
    paper: str = ""  # what the second entry of the typed one says: "", once, alike or apart
    move: str = ""  # "", offered or left
    merged_into: str = ""

    @property
    def there(self) -> bool:
        return self.enrolled and not self.erased

    @property
    def acts(self) -> bool:
        """Its code is one under which something is recorded."""
        return self.there and not self.merged_into

    @property
    def takes_data(self) -> bool:
        return self.acts and self.level < 2 and self.move != "left"

    @property
    def may_move(self) -> bool:
        return self.consented and self.level < 2 and self.move == ""


@dataclass
class Books:
    """All people and tubes of the site."""

    people: dict[str, Person] = field(
        default_factory=lambda: {code: Person() for code in CODES},
    )
    tubes: dict[str, Tube] = field(default_factory=dict)

    def tubes_of(self, code: str) -> list[Tube]:
        return [tube for tube in self.tubes.values() if tube.owner == code]

    def stop_tubes(self, code: str, *, destroy: bool = False) -> None:
        for tube in self.tubes_of(code):
            tube.stop(destroy=destroy)

    def free_tubes(self, code: str) -> None:
        """A new consent frees what nobody ordered destroyed."""
        for tube in self.tubes_of(code):
            if tube.status == "blocked" and not tube.order:
                tube.status = "in_transit" if tube.travels else "stored"

    def may_merge(self, kept: str, other: str) -> bool:
        one, two = self.people[kept], self.people[other]
        return (
            kept != other
            and one.acts
            and two.acts
            and one.birth_year == two.birth_year
            and not (one.erasure or two.erasure)
            and max(one.level, two.level) < 4
            and "offered" not in (one.move, two.move)
            and not (one.paper and two.paper)
        )

    def merge(self, kept: str, other: str) -> None:
        one, two = self.people[kept], self.people[other]
        one.level = max(one.level, two.level)
        one.consented = one.consented or two.consented
        one.days |= two.days
        one.paper, two.paper = one.paper or two.paper, ""
        one.move = one.move or two.move
        two.days = set()
        for tube in self.tubes_of(other):
            tube.owner = kept
        for person in self.people.values():
            if person.merged_into == other:
                person.merged_into = kept
        two.merged_into = kept
        one.version, two.version = one.version + 1, two.version + 1
        if one.level >= 3:
            self.stop_tubes(kept)

    def erase(self, code: str) -> None:
        """The person, and the records that were merged into theirs."""
        for name, person in self.people.items():
            if name == code or person.merged_into == code:
                person.erased = True
        self.tubes = {name: tube for name, tube in self.tubes.items() if tube.owner != code}
