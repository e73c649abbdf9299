"""What stands around a text and is not part of it.

Besides blanks these are signs that show nothing, as copying leaves them: a mark of the byte order where files were joined, blanks
of no width, marks of the direction of writing. Two ids that look alike on every screen would otherwise be two people.

>>> bare("\\ufeff ann\\u200b")
'ann'
"""

_INVISIBLE = "\u200b\u200e\u200f\u2060\ufeff" + "".join(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
_AROUND = "".join(sign for sign in map(chr, range(0x3001)) if sign.isspace()) + _INVISIBLE


def bare(text: str) -> str:
    """The text without what stands around it."""
    return text.strip(_AROUND)
