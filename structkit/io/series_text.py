"""The bytes of a series file and the TOML in them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from structkit.errors import ReadError, SeriesFileError


def read_bytes(path: Path) -> bytes:
    """Return the file's bytes, or say why not."""
    if path.is_dir():
        raise ReadError(f"{path} is a folder; name the series file in it")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ReadError(f"no series file {path}; check the path") from None
    except OSError as error:
        raise ReadError(f"cannot read {path}: {error.strerror}") from error


def parse_toml(content: bytes, path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file, or say where it breaks."""
    try:
        data = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SeriesFileError(
            f"{path}, line {line}: not UTF-8 text; save the file as UTF-8"
        ) from None
    except tomllib.TOMLDecodeError as error:
        lines = len(content.splitlines())
        last = f"at line {lines}, the end of the file"
        place = str(error).replace("at end of document", last)
        raise SeriesFileError(f"{path} is not valid TOML: {place}") from None
    if not data:
        raise SeriesFileError(
            f"{path} is empty; a series needs [series] and [[sample]]"
        )
    return data
