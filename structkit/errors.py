"""Errors and warnings of structkit, each with one meaning.

A message says what went wrong, where (file, line, variable) and what to do.
A fit that did not converge is *not* an error: it is a value
(:class:`structkit.schema.FitStatus` with its reason), so a series goes on.
"""

from __future__ import annotations


class StructkitError(Exception):
    """Base of every error that structkit raises on purpose."""


class ReadError(StructkitError):
    """A file is absent, empty, or not what its name or header says."""


class SchemaError(StructkitError, ValueError):
    """Data do not have the dims, units or values that a function asks for."""


class StructureError(StructkitError, ValueError):
    """A crystal structure is unknown, incomplete or contradicts itself."""


class SeriesFileError(StructkitError, ValueError):
    """A series file has mistakes; the message lists all of them with their keys."""


class PlanError(StructkitError, ValueError):
    """A refinement plan asks for what cannot be done; the message names the field."""


class FitError(StructkitError):
    """A fit cannot even be started (no data in range, no phase, no reflection)."""


class EngineUnavailableError(StructkitError):
    """The refinement engine asked for is not installed here."""


class MissingExtraError(StructkitError, ImportError):
    """A part of structkit needs a package that only an extra of it installs."""


class OutputError(StructkitError, OSError):
    """A result cannot be written (folder absent, not writable, disk full)."""


class DataQualityWarning(UserWarning):
    """A result is doubtful because of its input; the message says why."""
