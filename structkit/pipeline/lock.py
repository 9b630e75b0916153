"""One run at a time in a folder of results."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from structkit.errors import OutputError

LOCK: Final = ".running"
"""File in the folder of results, there while a run writes into it."""


@contextmanager
def hold_folder(output: Path) -> Iterator[None]:
    """Hold a folder of results; nobody else can until the block ends.

    Parameters
    ----------
    output : Path
        The folder; made where it is absent.

    Raises
    ------
    OutputError
        Another run writes into it, or it cannot be written.

    Notes
    -----
    The hold ends with the process, however that ends: what a killed run leaves of
    :data:`LOCK` holds nobody back. Where there are no such locks nothing is held.
    """
    path = output / LOCK
    try:
        output.mkdir(parents=True, exist_ok=True)
        number = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(
            f"{output} cannot be written ({error.strerror}); choose another folder "
            "with -o"
        ) from error
    try:
        if _is_taken(number):
            raise OutputError(
                f"another run writes into {output}; wait until it has ended, or choose "
                "another folder with -o"
            )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(number)


if sys.platform == "win32":

    def _is_taken(number: int) -> bool:
        """Hold nothing: there is no lock that ends with its process here."""
        return False

else:
    import fcntl

    def _is_taken(number: int) -> bool:
        """Take the lock of an open file; return whether somebody else has it."""
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return False
        # Whoever had it may have taken the file away in between.
        return os.fstat(number).st_nlink == 0
