"""A text with one line changed, as hands and programs change files."""

from __future__ import annotations

from hypothesis import strategies as st

from cohorts.ingest.reading import UnreadableFile

_TYPED = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=6)


@st.composite
def one_line_changed(draw, text):
    """A line lost, doubled, cut, overtyped, merged with the next, or with a tab too many."""
    lines = text.split("\n")
    at = draw(st.integers(0, len(lines) - 1))
    line = lines[at]
    within = draw(st.integers(0, len(line)))
    lines[at : at + 1] = draw(
        st.sampled_from(
            [
                [],
                [line, line],
                [line[:within]],
                [line[:within] + "\t" + line[within:]],
                [line.replace("\t", "", 1)],
                [line[:within] + '"' + line[within:]],
                [line[:within] + draw(_TYPED) + line[within + 1 :]],
                [line[:within], line[within:]],
                [draw(_TYPED)],
            ]
        )
    )
    return "\n".join(lines)


def refusal_of(read, *contents):
    """The message with which a reader refuses; empty if it reads. Anything else is a crash."""
    try:
        read(*contents)
    except UnreadableFile as refused:
        return refused.message
    return ""
