"""Options that verbs share or that take lists; mistakes told in one line."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click


class UsageMistakeError(click.ClickException):
    """A mistake in what was asked for: one line, exit code 2."""

    exit_code = 2

    def show(self, file: object = None) -> None:
        """Write the message to stderr."""
        del file
        click.echo(f"structkit: error: {self.message}", err=True)


def _on_gsas2_python(
    context: click.Context, _option: click.Parameter, value: str | None
) -> None:
    """Set the environment variable, until the verb is through."""
    if value is None:
        return
    from refinement.engines.gsas2.discovery import PYTHON_VARIABLE

    before = os.environ.get(PYTHON_VARIABLE)

    def restore() -> None:
        if before is None:
            os.environ.pop(PYTHON_VARIABLE, None)
        else:
            os.environ[PYTHON_VARIABLE] = before

    os.environ[PYTHON_VARIABLE] = value
    context.call_on_close(restore)


gsas2_python_option = click.option(
    "--gsas2-python",
    metavar="PATH",
    expose_value=False,
    callback=_on_gsas2_python,
    help="Python that runs GSAS-II; default: STRUCTKIT_GSAS2_PYTHON, or search.",
)
"""``--gsas2-python``, which outdoes the environment variable."""


class ListOptionCommand(click.Command):
    """A command whose list options take all the numbers that follow them.

    ``--weights 0.7 0.2 0.1`` reads as click's ``--weights 0.7 --weights 0.2 ...``.
    List options are those with ``multiple=True`` and one number each.
    """

    @property
    def list_options(self) -> list[str]:
        """Return the names of the list options."""
        return [
            name
            for option in self.params
            if isinstance(option, click.Option)
            and option.multiple
            and option.nargs == 1
            and isinstance(option.type, click.types.FloatParamType)
            for name in option.opts
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the name of a list option before each of its numbers."""
        return super().parse_args(ctx, repeat_options(args, self.list_options))


def repeat_options(arguments: Sequence[str], names: Sequence[str]) -> list[str]:
    """Write ``--name 1 2 3`` as ``--name 1 --name 2 --name 3``.

    Parameters
    ----------
    arguments : sequence of str
        Command line.
    names : sequence of str
        Options that take any number of numbers; ``--name=1`` stays as it is.

    Examples
    --------
    >>> repeat_options(["NaCl", "--weights", "1", "2", "-o", "x"], ["--weights"])
    ['NaCl', '--weights', '1', '--weights', '2', '-o', 'x']
    """
    result: list[str] = []
    current = ""
    for argument in arguments:
        if current and is_number(argument):
            if result[-1] != current:
                result.append(current)
            result.append(argument)
            continue
        current = argument if argument in names else ""
        result.append(argument)
    return result


def is_number(text: str) -> bool:
    """Return whether ``text`` reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
