"""``structkit <verb> IN... -o OUT``: data to stdout or ``-o``, all else to stderr.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted. A user's mistake gives
one message and no traceback. A verb's module is imported only when it is called.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, TextIO

import click

from structkit import __version__
from structkit.errors import DataQualityWarning, StructkitError

PROGRAM = "structkit"
FAILED = 1
USAGE = 2
INTERRUPTED = 130
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Threads of linear algebra, one each unless the user says otherwise: the matrices of a
fit are so small that threads cost more than they do."""


class Verb(NamedTuple):
    """One verb, the module that exposes it as ``command``, and what it does."""

    name: str
    module: str
    summary: str


VERBS = (
    Verb(
        "audit",
        "structkit.cli.audit",
        "Tell which statements their numbers support or contradict.",
    ),
    Verb(
        "calibrate-structure",
        "structkit.cli.calibrate_structure",
        "Refine a structure's atoms with GSAS-II on one pattern.",
    ),
    Verb(
        "compare",
        "structkit.cli.compare",
        "Refine a series by several engines, side by side.",
    ),
    Verb(
        "crystallinity",
        "structkit.cli.crystallinity",
        "Find the amorphous content again, from stored refinements.",
    ),
    Verb("demo", "structkit.cli.demo", "Simulate a milling series and refine it."),
    Verb(
        "eis",
        "structkit.cli.eis",
        "Fit impedance spectra and polarization runs.",
    ),
    Verb(
        "engines",
        "structkit.cli.engines",
        "List the refinement engines and where they are.",
    ),
    Verb("index", "structkit.cli.index", "Join stored results to one index."),
    Verb(
        "nmr",
        "structkit.cli.nmr",
        "Fit NMR lines and T1, or say what areas mean.",
    ),
    Verb("phases", "structkit.cli.phases", "List the crystal structures at hand."),
    Verb(
        "raman",
        "structkit.cli.raman",
        "Fit Raman spectra, or rank what they can be read as.",
    ),
    Verb("refine", "structkit.cli.refine", "Refine the patterns of a series file."),
    Verb("report", "structkit.cli.report", "Write one page on stored results."),
    Verb("run", "structkit.cli.run", "Run all stages of a series file, to the report."),
    Verb("simulate", "structkit.cli.simulate", "Simulate a powder pattern."),
)


class VerbGroup(click.Group):
    """A group whose verbs are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the verbs."""
        return [verb.name for verb in VERBS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one verb; None when there is none of that name."""
        for verb in VERBS:
            if verb.name == cmd_name:
                return _load(verb)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse an unknown verb with the nearest one."""
        import difflib

        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], names, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Use {', '.join(names)}."
            raise click.UsageError(f"No such verb {args[0]!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the list of verbs without importing any."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb.name, verb.summary) for verb in VERBS])


def _load(verb: Verb) -> click.Command:
    """Import a verb and give it the options that all verbs have."""
    command = import_module(verb.module).command
    if not isinstance(command, click.Command):
        raise TypeError(f"{verb.module}.command is no click command")
    _make_loud(command)
    return command


def _make_loud(command: click.Command) -> None:
    """Give a command, and those below it, ``-v`` and ``-q``."""
    if not any(option.name == "verbose" for option in command.params):
        command.params.extend(_loudness_options())
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _make_loud(below)


def _loudness_options() -> list[click.Option]:
    """Return ``-v`` and ``-q``."""
    return [
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_on_verbose,
            help="Say more on stderr; -vv says most.",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_on_quiet,
            help="Say only what went wrong.",
        ),
    ]


def _on_verbose(
    _context: click.Context, _option: click.Parameter, value: int | None
) -> None:
    """Lower the threshold of the log."""
    if value:
        level = logging.INFO if value == 1 else logging.DEBUG
        logging.getLogger().setLevel(level)


def _on_quiet(
    _context: click.Context, _option: click.Parameter, value: int | None
) -> None:
    """Raise the threshold of the log."""
    if value:
        logging.getLogger().setLevel(logging.ERROR)


@click.group(
    cls=VerbGroup,
    params=list(_loudness_options()),
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="VERB [ARGS]...",
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
def group() -> None:
    """How amorphous is a milled powder: diffraction patterns in, crystallinity out."""


class _OneLine(logging.Formatter):
    """``structkit: warning: message``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
        return f"{PROGRAM}: {record.levelname.lower()}: {super().format(record)}"


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log doubts about data as warnings, and warnings of libraries as remarks."""
    if issubclass(category, DataQualityWarning):
        logging.getLogger(PROGRAM).warning("%s", message)
    else:
        place = f"{filename}:{lineno}"
        logging.getLogger(PROGRAM).debug(
            "%s: %s: %s", place, category.__name__, message
        )


def _set_up_log() -> logging.Handler:
    """Send the log to stderr and return its handler."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    return handler


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line without the program's name. Default: the process's own.
    """
    for name in ONE_THREAD:  # read when numpy is loaded, which no verb has done yet
        os.environ.setdefault(name, "1")
    handler = _set_up_log()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", DataQualityWarning)
            warnings.showwarning = _show_warning
            return _run(arguments)
    finally:
        logging.getLogger().removeHandler(handler)


def _run(arguments: Sequence[str] | None) -> int:
    """Run one verb; turn what a user can mend into one message."""
    try:
        code = group.main(
            args=None if arguments is None else list(arguments),
            prog_name=PROGRAM,
            standalone_mode=False,
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo(f"{PROGRAM}: interrupted", err=True)
        return INTERRUPTED
    except (StructkitError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            return FAILED
        click.echo(f"{PROGRAM}: error: {error}", err=True)
        return FAILED
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
