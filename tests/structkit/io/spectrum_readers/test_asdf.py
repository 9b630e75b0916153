from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structkit.errors import ReadError
from structkit.io.spectrum_readers.asdf import decode_ordinates

PATH = Path("a.jdx")
PUBLISHED = [1, 2, 3, 3, 2, 1, 0, -1, -2, -3]
SQZ = "@ABCDEFGHI", " abcdefghi"
DIF = "%JKLMNOPQR", " jklmnopqr"
DUP = " STUVWXYZs"


def letter(value: int, tables: tuple[str, str]) -> str:
    digits = str(abs(value))
    return tables[value < 0][int(digits[0])] + digits[1:]


def repeat(count: int) -> str:
    digits = str(count)
    return DUP[int(digits[0])] + digits[1:]


def encode(values: list[int], *, width: int) -> list[tuple[int, str]]:
    """Write values as DIFDUP with check values, an independent way round."""
    lines, first = [], 0
    while first < len(values):
        last = min(first + width, len(values))
        begin = max(first - 1, 0)
        words, n = [letter(values[begin], SQZ)], begin + 1
        while n < last:
            step = values[n] - values[n - 1]
            same = 1
            while n + same < last and values[n + same] - values[n + same - 1] == step:
                same += 1
            words.append(letter(step, DIF) + (repeat(same) if same > 1 else ""))
            n += same
        lines.append((len(lines) + 1, f"{begin}" + "".join(words)))
        first = last
    return lines


@pytest.mark.parametrize(
    "line",
    [
        "0 1 2 3 3 2 1 0 -1 -2 -3",
        "0+1+2+3+3+2+1+0-1-2-3",
        "0ABCCBA@abc",
        "0AJJ%jjjjjj",
        "0AJT%jX",
    ],
    ids=["AFFN", "PAC", "SQZ", "DIF", "DIFDUP"],
)
def test_the_example_of_the_standard_in_all_its_forms(line: str) -> None:
    starts, values, numbers = decode_ordinates([(7, line)], PATH)
    assert values.tolist() == PUBLISHED
    assert starts == [(0, 7, "0")]
    assert numbers.tolist() == [7] * len(PUBLISHED)


@given(
    st.lists(st.integers(-9999, 9999), min_size=2, max_size=60),
    st.integers(2, 12),
)
@settings(deadline=None, max_examples=60)
def test_what_was_compressed_comes_back(values: list[int], width: int) -> None:
    _, decoded, _ = decode_ordinates(encode(values, width=width), PATH)
    assert decoded.tolist() == values


def test_exponents_are_numbers_and_letters_are_not() -> None:
    _, values, _ = decode_ordinates([(1, "5 1.5E+03 2E5")], PATH)
    np.testing.assert_array_equal(values, [1500.0, 2.0, 55.0])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([(1, "0A5JJ"), (2, "2A8J")], "line 2: check value 18 where 17 is due"),
        ([(4, "0A5?J")], "line 4: a missing value among the ordinates"),
        ([(4, "0A5&J")], "line 4: '&' among the ordinates"),
        ([(4, "A5JJ")], "line 4: no X at its beginning"),
        ([(4, "0 T5")], "line 4: repeats nothing"),
    ],
)
def test_damage_names_its_line(lines: list[tuple[int, str]], message: str) -> None:
    with pytest.raises(ReadError, match=rf"a\.jdx: {message}".replace("?", r"\?")):
        decode_ordinates(lines, PATH)
