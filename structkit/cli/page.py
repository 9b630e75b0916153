"""The page on the verbs, written from the verbs themselves.

``python -m structkit.cli.page > docs/verbs.md`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import click

from structkit.cli.__main__ import PROGRAM, VERBS, group

_INTRODUCTION = """\
# Verbs

Written by `python -m structkit.cli.page > docs/verbs.md` from the verbs themselves; a
test holds the page against them. Every verb has `-h, --help`, `-v, --verbose` (say more
on stderr; `-vv` says most) and `-q, --quiet` (say only what went wrong).

Data go to stdout or `-o`, all else to stderr. Exit codes: 0 done, 1 failed, 2 wrong
usage, 130 interrupted. `structkit --version` says which version this is.
"""
_EVERYWHERE = {"verbose", "quiet", "help"}
"""Options of all verbs, told once."""


def compose_page() -> str:
    """Return the page as Markdown.

    Returns
    -------
    str
        Ends with a newline.
    """
    summary = [("verb", "does"), *((f"`{v.name}`", v.summary) for v in VERBS)]
    parts = [_INTRODUCTION, "".join(_table(summary))]
    context = click.Context(group, info_name=PROGRAM)
    for verb in VERBS:
        command = group.get_command(context, verb.name)
        if command is not None:
            parts += _describe(command, f"{PROGRAM} {verb.name}", depth=2)
    return "\n".join(parts)


def _describe(command: click.Command, path: str, *, depth: int) -> Iterator[str]:
    """Yield the section of a command, and of those below it."""
    yield f"{'#' * depth} `{_usage(command, path)}`\n"
    yield f"{_one_line(command.help or '')}\n"
    options = [
        one
        for one in command.params
        if isinstance(one, click.Option) and one.name not in _EVERYWHERE
    ]
    if options:
        rows = [(_spell(one), _default(one), one.help or "") for one in options]
        yield "".join(_table([("option", "default", ""), *rows]))
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from _describe(below, f"{path} {name}", depth=depth + 1)


def _usage(command: click.Command, path: str) -> str:
    """Return a command with its arguments."""
    if isinstance(command, click.Group):
        return path
    context = click.Context(command, info_name=path)
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    return " ".join([path, *(one.make_metavar(context) for one in arguments)])


def _spell(option: click.Option) -> str:
    """Return the names of an option and what follows them."""
    names = ", ".join((*option.opts, *option.secondary_opts))
    if option.is_flag or option.count:
        return f"`{names}`"
    context = click.Context(click.Command("any"))
    return f"`{names} {option.make_metavar(context)}`"


def _default(option: click.Option) -> str:
    """Return the default of an option where its help shows it."""
    if option.required:
        return "needed"
    if not option.show_default or option.default is None:
        return ""
    if option.is_flag:
        names = option.opts if option.default else option.secondary_opts
        return f"`{names[0]}`" if names else ""
    default = option.default
    values = default if isinstance(default, tuple | list) else (default,)
    return f"`{' '.join(str(one) for one in values)}`"


def _one_line(text: str) -> str:
    """Return the paragraphs of a help text, each on one line."""
    paragraphs = text.replace("\b", "").strip().split("\n\n")
    return "\n\n".join(" ".join(one.split()) for one in paragraphs)


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table of Markdown, the first row as its header."""
    for number, row in enumerate(rows):
        cells = (" ".join(cell.split()).replace("|", r"\|") for cell in row)
        yield f"| {' | '.join(cells)} |\n"
        if not number:
            yield f"|{'---|' * len(row)}\n"


if __name__ == "__main__":
    sys.stdout.write(compose_page())
