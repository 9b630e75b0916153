"""Lines of JSON through the pipes of a worker, so that nobody waits on a pipe."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

LONGEST_LINE = 256 * 1024 * 1024
"""Bytes of one answer; the curves of a pattern take about one in a hundred of it."""

_BACKLOG = 16  # answers nobody asked for, before the worker counts as mad
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Ending:
    """Why no more lines come."""

    reason: str = ""
    """What was wrong with the lines; empty: the stream just ended."""
    partial: bool = False
    """Whether it ended in the middle of a line."""


def start_threads(
    process: subprocess.Popen[bytes],
    lines: queue.Queue[bytes | Ending],
    outbox: queue.Queue[bytes | None],
) -> tuple[threading.Thread, ...]:
    """Start what reads and what writes, so that nobody waits on a pipe."""
    threads = (
        threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True),
        threading.Thread(
            target=_write_lines, args=(process.stdin, outbox), daemon=True
        ),
    )
    for thread in threads:
        thread.start()
    return threads


def _read_lines(stream: IO[bytes], lines: queue.Queue[bytes | Ending]) -> None:
    """Put whole lines into a queue until the stream ends or overflows."""
    parts: list[bytes] = []
    size = 0
    reason = ""
    with stream:
        while not reason:
            try:
                chunk = stream.read(_CHUNK)
            except (OSError, ValueError):
                chunk = b""
            if not chunk:
                break
            *whole, rest = chunk.split(b"\n")
            for line in whole:
                lines.put(b"".join([*parts, line]))
                parts, size = [], 0
            parts.append(rest)
            size += len(rest)
            if size > LONGEST_LINE:
                reason = f"gave an answer of more than {LONGEST_LINE} bytes"
            elif lines.qsize() > _BACKLOG:
                reason = "gave answers that nobody asked for"
    lines.put(Ending(reason, partial=size > 0))


def _write_lines(stream: IO[bytes], outbox: queue.Queue[bytes | None]) -> None:
    """Write what is in the outbox; close the stream at None or when nobody reads."""
    with contextlib.suppress(OSError, ValueError), stream:
        while (line := outbox.get()) is not None:
            rest = memoryview(line)
            while rest:
                rest = rest[stream.write(rest) :]


def format_request(request: dict[str, object]) -> bytes:
    """Return a request as a line; paths become text, arrays become lists.

    Raises
    ------
    ValueError, TypeError
        When it holds NaN, an infinity, or what JSON cannot hold.
    """
    return json.dumps(request, allow_nan=False, default=_to_plain).encode() + b"\n"


def parse_reply(line: bytes) -> dict[str, Any] | str:
    """Return an answer of the right shape, or what is wrong with it."""
    shown = repr(line[:80].decode(errors="replace"))
    try:
        reply = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return f"no JSON: {shown}"
    if not isinstance(reply, dict) or type(reply.get("id")) is not int:
        return f"no answer: {shown}"
    key, kind = ("result", dict) if reply.get("ok") is True else ("error", str)
    if type(reply.get("ok")) is not bool or not isinstance(reply.get(key), kind):
        return f"no answer: {shown}"
    return reply


def _refuse_constant(text: str) -> NoReturn:
    """Refuse NaN and infinities, which JSON does not have."""
    raise ValueError(text)


def _to_plain(value: object) -> object:
    """Return a path or an array as JSON can have it."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be sent to a worker")
