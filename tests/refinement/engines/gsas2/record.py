"""Record what a real GSAS-II answers, for ``fake_worker.py`` to replay.

In a script, with a pool that is given ``start=recorder.start``::

    recorder = Recorder()
    pool = WorkerPool(command, 1, start=recorder.start)
    ...  # run jobs
    recorder.save(Path("tests/reference/gsas2/three_phases.json"))

As a program, ``python record.py --python PYTHON REQUESTS.json OUT.json`` sends the
requests of a list (``[{"op": "probe", ...}, ...]``) and records the answers.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from refinement.engines.gsas2.discovery import WORKER
from refinement.engines.gsas2.process import (
    START_TIMEOUT,
    WorkerCommand,
    WorkerProcess,
    WorkerRefusedError,
)

FORMAT = 1
DIGITS = 8
"""Significant digits kept: more than any tolerance of a test asks."""
FOLDER, PACKAGE = "<FOLDER>", "<GSASII>"
"""What stands for the job's folder, which the fake puts back, and for GSAS-II's."""
TIMEOUT = 600.0
LEFT_OUT = ("log",)
"""Requests that the fake carries out by itself."""


class RecordingWorker(WorkerProcess):
    """A worker that keeps what was asked and answered."""

    match: Sequence[str] = ()
    exchanges: list[dict[str, Any]]
    folder = ""

    def ask(self, op: str, timeout: float, **fields: object) -> dict[str, Any]:
        """Ask, and keep the answer, also a refusal."""
        exchange: dict[str, Any] = {"op": op}
        if op == "open":
            self.folder = str(fields.get("folder", ""))
            exchange["match"] = {key: fields[key] for key in self.match}
        try:
            result = super().ask(op, timeout, **fields)
        except WorkerRefusedError as error:
            reply = {"ok": False, "error": error.error, "kind": error.kind}
            self._keep({**exchange, "reply": reply})
            raise
        self._keep({**exchange, "reply": {"ok": True, "result": result}})
        return result

    def _keep(self, exchange: dict[str, Any]) -> None:
        if exchange["op"] not in LEFT_OUT:
            places = {self.folder: FOLDER, str(self.hello.get("path", "")): PACKAGE}
            self.exchanges.append(shorten(exchange, places))


class Recorder:
    """Starts workers that record, and writes what all of them said.

    ``match`` names the fields of ``open`` by which the fake tells jobs apart.
    """

    def __init__(self, match: Sequence[str] = ("name",)) -> None:
        self.match = match
        self.workers: list[RecordingWorker] = []

    def start(
        self, command: WorkerCommand, *, start_timeout: float = START_TIMEOUT
    ) -> RecordingWorker:
        """Start a worker whose answers are recorded."""
        worker = RecordingWorker(command, start_timeout=start_timeout)
        worker.match, worker.exchanges = self.match, []
        self.workers.append(worker)
        return worker

    def save(self, path: Path) -> None:
        """Write the recording, one exchange a line."""
        hello = self.workers[0].hello
        exchanges = [
            json.dumps(exchange, allow_nan=False)
            for worker in self.workers
            for exchange in worker.exchanges
        ]
        head = {
            "format": FORMAT,
            "recorded": datetime.now(UTC).date().isoformat(),
            "hello": {**hello, "path": PACKAGE},
        }
        text = json.dumps(head)[:-1] + ',\n"exchanges": [\n'
        path.write_text(text + ",\n".join(exchanges) + "\n]}\n", encoding="utf-8")


def shorten(item: Any, places: Mapping[str, str]) -> Any:
    """Return an answer with rounded numbers and without this machine's folders."""
    if isinstance(item, dict):
        return {key: shorten(value, places) for key, value in item.items()}
    if isinstance(item, list):
        return [shorten(value, places) for value in item]
    if isinstance(item, float) and math.isfinite(item):
        return float(f"{item:.{DIGITS}g}")
    if isinstance(item, str):
        for place, name in places.items():
            item = item.replace(place, name) if place else item
    return item


def main(arguments: Sequence[str] | None = None) -> int:
    """Send requests to a worker and record the answers."""
    parser = argparse.ArgumentParser(description="Record a worker's answers.")
    parser.add_argument("--python", type=Path, required=True)
    parser.add_argument("--script", type=Path, default=WORKER)
    parser.add_argument("requests", type=Path)
    parser.add_argument("output", type=Path)
    options = parser.parse_args(arguments)
    recorder = Recorder()
    command = WorkerCommand(python=options.python, script=options.script)
    requests = json.loads(options.requests.read_text(encoding="utf-8"))
    with recorder.start(command) as worker:
        for request in requests:
            op = request.pop("op")
            if op == "probe":
                request.setdefault("folder", str(worker.scratch))
            worker.ask(op, TIMEOUT, **request)
    recorder.save(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
