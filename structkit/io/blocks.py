"""Which of several blocks of a file is meant."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from structkit.errors import DataQualityWarning, ReadError

_Block = TypeVar("_Block")


def choose_block(blocks: Sequence[_Block], block: int | None, path: Path) -> _Block:
    """Return one block of a file, the first unless ``block`` says another.

    Parameters
    ----------
    blocks : sequence
        The blocks, at least one.
    block : int or None
        Number from 1.
    path : Path
        File, for messages.

    Raises
    ------
    ReadError
        There is no such block.
    """
    if block is None and len(blocks) > 1:
        warnings.warn(
            f"{path.name}: {len(blocks)} blocks of spectra; the first was read, give "
            "block= for another",
            DataQualityWarning,
            stacklevel=4,
        )
    number = 1 if block is None else block
    if not 1 <= number <= len(blocks):
        raise ReadError(f"{path}: no block {number} among {len(blocks)}")
    return blocks[number - 1]
