"""Many samples in one sentence: names joined, equal things said once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Details = tuple[tuple[str, tuple[str, ...]], ...]
"""Heading and sentences of each part that a reader may open."""


def join_names(names: Sequence[str]) -> str:
    """Return names as they are said.

    Examples
    --------
    >>> join_names(["1h", "2h", "4h"]), join_names(["1h"])
    ('1h, 2h and 4h', '1h')
    """
    head, last = names[:-1], names[-1:]
    return " and ".join([*([", ".join(head)] if head else []), *last])


def fold_equal(said: Iterable[tuple[str, str]]) -> list[str]:
    """Return sentences, each once, after the samples that it is said of.

    Parameters
    ----------
    said : iterable of (str, str)
        Sample and what is said of it, in order.

    Examples
    --------
    >>> fold_equal([("1h", "a glass."), ("2h", "a salt."), ("4h", "a glass.")])
    ['1h and 4h: a glass.', '2h: a salt.']
    """
    found: dict[str, list[str]] = {}
    for sample, text in said:
        names = found.setdefault(text, [])
        if sample not in names:
            names.append(sample)
    return [f"{join_names(names)}: {text}" for text, names in found.items()]


def list_values(values: Mapping[str, str], *, milled: Iterable[str]) -> str:
    """Return the value of each sample, those of the milled series first.

    Examples
    --------
    >>> list_values({"NTC": "0.09", "1h": "0.10", "2h": "0.4"}, milled=["1h", "2h"])
    '1h 0.10, 2h 0.4; references: NTC 0.09'
    """
    own = set(milled)
    shown = {name: f"{name} {text}" for name, text in values.items()}
    series = ", ".join(text for name, text in shown.items() if name in own)
    others = ", ".join(text for name, text in shown.items() if name not in own)
    aside = f"references: {others}" if others else ""
    return "; ".join(one for one in (series, aside) if one)
