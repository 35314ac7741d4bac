"""Texts as a report can carry them: what the user's code gives is made so once, on its way in."""

from __future__ import annotations


def clean(text: str) -> str:
    r"""A text that UTF-8 and every database can hold; what they can't is escaped.

    Args:
        text: Any text. Lone surrogates, as `os.fsdecode` makes of bytes in file names, become
            `\udce9` and the like; NUL becomes `\x00`.
    """
    if type(text) is not str:
        # A subclass may give any method another meaning.
        text = str.__str__(text)
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
