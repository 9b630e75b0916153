"""The output folder, checked before any work is done."""

from __future__ import annotations

import tempfile
from pathlib import Path

from structkit.errors import OutputError


def check_output_folder(folder: Path) -> None:
    """Check that ``folder`` can be made and written, and leave no trace.

    Raises
    ------
    OutputError
        When a file stands in its place or on the way to it, or the nearest folder
        that is there cannot be written.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if _is(path))
    if not nearest.is_dir():
        raise OutputError(f"cannot write {folder}: {nearest} is a file; give a folder")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"cannot write {folder}: {nearest}: {reason}; choose another with -o"
        ) from None


def _is(path: Path) -> bool:
    """Return whether something stands at ``path``; a file on the way counts as no."""
    try:
        return path.exists()
    except NotADirectoryError:
        return False
