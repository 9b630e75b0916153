"""Timings and accuracies against other programs, on one core: ``make bench``."""

from __future__ import annotations

import os

# Before numpy is imported: every program in the comparison gets one thread.
for _name in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
):
    os.environ[_name] = "1"
