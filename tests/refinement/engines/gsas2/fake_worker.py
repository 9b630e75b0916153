"""Stand-in for GSAS-II's worker: replays recorded answers, and fails when told to.

``python fake_worker.py [--recording FILE] [--misbehave JSON]``; both also come from
``FAKE_WORKER_RECORDING`` and ``FAKE_WORKER_MISBEHAVE``, for code that starts workers
itself. Standard library only.

Recording, written by ``record.py`` from a real GSAS-II::

    {"format": 1, "recorded": "2026-08-12", "hello": {"gsas2": "v5.7.9", ...},
     "exchanges": [{"op": "open", "match": {"name": "S0"},
                    "reply": {"ok": true, "result": {...}}},
                   {"op": "stage", "reply": {...}}, ...]}

Each ``open`` begins a job, up to the next ``open``. A request ``open`` chooses the
first job not yet replayed whose ``match`` is in the request, or the first that fits
at all when all were replayed (a job that is tried again). Within the job the n-th
request of an ``op`` gets the n-th reply of that ``op``. What stands before the first
``open`` belongs to no job. Asking for more than was recorded is answered with
``"kind": "RecordingError"``. ``<FOLDER>`` in an answer becomes the ``folder`` of the
job's ``open``.

Misbehaviour: a list of ``{"op": "stage", "number": 2, "how": "partial"}``. ``op`` is
``start`` for the hello; ``number`` counts the requests of that ``op`` in this process
(absent: each of them); ``job`` is the ``name`` of the job that it befalls (absent:
any); ``once`` names a file, and where it exists, all goes well.
``how`` is a key of ``WAYS``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

FORMAT = 1
FOREVER = 600.0  # s; every test is over long before
HELLO = {"gsas2": "0.0.0 (fake)", "path": "", "python": "", "numpy": ""}

Request = dict[str, Any]
Reply = dict[str, Any]


class Recording:
    """Recorded exchanges, cut into jobs."""

    def __init__(self, path: str | None) -> None:
        content: dict[str, Any] = {"hello": HELLO, "exchanges": []}
        if path:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"{path}: format {content['format']}, not {FORMAT}")
        self.hello = content["hello"]
        self.outside: list[dict[str, Any]] = []
        self.jobs: list[list[dict[str, Any]]] = []
        for exchange in content["exchanges"]:
            if exchange["op"] == "open":
                self.jobs.append([])
            (self.jobs[-1] if self.jobs else self.outside).append(exchange)
        self.replayed: set[int] = set()
        self.current = self.outside
        self.asked: Counter[str] = Counter()
        self.folder = ""

    def find_reply(self, request: Request) -> Reply | None:
        """Return the recorded reply, None where none was recorded."""
        op = request["op"]
        if op == "open":
            self._begin(request)
        replies = [e["reply"] for e in self.current if e["op"] == op]
        self.asked[op] += 1
        number = self.asked[op]
        if number > len(replies):
            return None
        folder = json.dumps(self.folder)[1:-1]
        text = json.dumps(replies[number - 1]).replace("<FOLDER>", folder)
        reply: Reply = json.loads(text)
        return reply

    def _begin(self, request: Request) -> None:
        """Choose the job that a request opens."""
        fitting = [i for i, job in enumerate(self.jobs) if _fits(job[0], request)]
        fresh = [i for i in fitting if i not in self.replayed]
        self.asked.clear()
        self.folder = str(request.get("folder", ""))
        self.current = []
        for i in (fresh or fitting)[:1]:
            self.replayed.add(i)
            self.current = self.jobs[i]


def _fits(exchange: dict[str, Any], request: Request) -> bool:
    wanted = exchange.get("match", {})
    return all(request.get(key) == value for key, value in wanted.items())


class FakeWorker:
    """Reads requests and answers, or not."""

    def __init__(self, recording: Recording, faults: list[dict[str, Any]]) -> None:
        self.recording = recording
        self.faults = faults
        self.seen: Counter[str] = Counter()
        self.job = ""
        self.answers: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def run(self) -> None:
        """Serve until stdin ends."""
        self.answer({"id": 0, "op": "start"})
        for line in sys.stdin:
            self.answer(json.loads(line))

    def answer(self, request: Request) -> None:
        """Answer one request, in the way that was asked for."""
        op = request["op"]
        self.seen[op] += 1
        if op == "open":
            self.job = str(request.get("name", ""))
        for fault in self.faults:
            if self._applies(fault, op):
                WAYS[fault["how"]](self, request, fault)
                return
        self.say(self.reply(request))

    def _applies(self, fault: dict[str, Any], op: str) -> bool:
        if fault["op"] != op or fault.get("number", self.seen[op]) != self.seen[op]:
            return False
        if fault.get("job", self.job) != self.job:
            return False
        if "once" in fault:
            try:
                Path(fault["once"]).touch(exist_ok=False)
            except FileExistsError:
                return False
        return True

    def say(self, reply: Reply) -> None:
        """Write one line of the protocol."""
        self.write(json.dumps(reply) + "\n")

    def write(self, text: str) -> None:
        """Write to the parent."""
        self.answers.write(text)
        self.answers.flush()

    def reply(self, request: Request) -> Reply:
        """Return the reply of a healthy worker."""
        found = self.recording.find_reply(request) if request["op"] != "log" else None
        if found is None:
            found = self.reply_itself(request)
        return {"id": request["id"], **found}

    def reply_itself(self, request: Request) -> Reply:
        """Return the reply to what needs no recording."""
        known = OPERATIONS.get(request["op"])
        if known is None:
            error = f"the recording has no (more) answer to {request['op']!r}"
            return {"ok": False, "error": error, "kind": "RecordingError"}
        return {"ok": True, "result": known(self, request)}


def start(worker: FakeWorker, _request: Request) -> dict[str, Any]:
    return dict(worker.recording.hello)


def switch_log(_worker: FakeWorker, request: Request) -> dict[str, Any]:
    log = os.open(request["path"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    return {}


def probe(_worker: FakeWorker, _request: Request) -> dict[str, Any]:
    return {"reflections": 5, "largest": 177.5}


def echo(_worker: FakeWorker, request: Request) -> dict[str, Any]:
    return {key: request[key] for key in request if key not in ("id", "op")}


def put_to_log(_worker: FakeWorker, request: Request) -> dict[str, Any]:
    os.write(1, request["text"].encode())
    return {}


def sleep(_worker: FakeWorker, request: Request) -> dict[str, Any]:
    begin = time.time()
    time.sleep(request["seconds"])
    return {"begin": begin, "end": time.time(), "pid": os.getpid()}


def environment(_worker: FakeWorker, _request: Request) -> dict[str, Any]:
    return {
        "variables": dict(os.environ),
        "folder": str(Path.cwd()),
        "arguments": sys.argv[1:],
        "path": sys.path,
    }


def child(_worker: FakeWorker, _request: Request) -> dict[str, Any]:
    code = f"import time; time.sleep({FOREVER})"
    started = subprocess.Popen([sys.executable, "-c", code])
    return {"pid": started.pid}


OPERATIONS = {
    "start": start,
    "log": switch_log,
    "probe": probe,
    "echo": echo,
    "put_to_log": put_to_log,
    "sleep": sleep,
    "environment": environment,
    "child": child,
}
"""What it does without a recording; all but the first three are for tests."""


def be_silent(_worker: FakeWorker, _request: Request, _fault: dict[str, Any]) -> None:
    time.sleep(FOREVER)


def crash(_worker: FakeWorker, _request: Request, fault: dict[str, Any]) -> None:
    os.write(1, fault.get("text", "about to crash\n").encode())
    os._exit(fault.get("code", 1))


def crash_after(worker: FakeWorker, request: Request, fault: dict[str, Any]) -> None:
    worker.say(worker.reply(request))
    crash(worker, request, fault)


def be_killed(_worker: FakeWorker, _request: Request, fault: dict[str, Any]) -> None:
    os.kill(os.getpid(), fault.get("signal", 9))
    time.sleep(FOREVER)


def talk_rubbish(worker: FakeWorker, request: Request, fault: dict[str, Any]) -> None:
    worker.write(fault.get("text", " ** Warning: not JSON **") + "\n")
    worker.say(worker.reply(request))


def miscount(worker: FakeWorker, request: Request, _fault: dict[str, Any]) -> None:
    worker.say({**worker.reply(request), "id": request["id"] + 7})


def break_off(worker: FakeWorker, request: Request, fault: dict[str, Any]) -> None:
    worker.write(json.dumps(worker.reply(request))[:15])
    crash(worker, request, fault)


def stop_halfway(worker: FakeWorker, request: Request, _fault: dict[str, Any]) -> None:
    worker.write(json.dumps(worker.reply(request))[:15])
    time.sleep(FOREVER)


def be_slow(worker: FakeWorker, request: Request, fault: dict[str, Any]) -> None:
    time.sleep(fault["seconds"])
    worker.say(worker.reply(request))


def be_endless(worker: FakeWorker, _request: Request, fault: dict[str, Any]) -> None:
    while True:
        worker.write("x" * 65536 + fault.get("text", ""))


def flood_log(worker: FakeWorker, request: Request, fault: dict[str, Any]) -> None:
    for number in range(fault.get("lines", 100_000)):
        os.write(2, b"cycle %06d: chi**2 = 1.0, and on it goes\n" % number)
    worker.say(worker.reply(request))


def fill_disk(worker: FakeWorker, request: Request, _fault: dict[str, Any]) -> None:
    error = "[Errno 28] No space left on device: 'job.gpx'"
    worker.say({"id": request["id"], "ok": False, "error": error, "kind": "OSError"})


def refuse(worker: FakeWorker, request: Request, fault: dict[str, Any]) -> None:
    error, kind = fault.get("text", "it cannot"), fault.get("kind", "G2Exception")
    worker.say({"id": request["id"], "ok": False, "error": error, "kind": kind})


def hang_up(worker: FakeWorker, _request: Request, _fault: dict[str, Any]) -> None:
    worker.answers.close()
    time.sleep(FOREVER)


def go_deaf(worker: FakeWorker, request: Request, _fault: dict[str, Any]) -> None:
    worker.say(worker.reply(request))
    time.sleep(FOREVER)


WAYS = {
    "silence": be_silent,
    "crash": crash,  # code, text for the log
    "crash_after": crash_after,
    "killed": be_killed,  # signal
    "rubbish": talk_rubbish,  # text
    "wrong_id": miscount,
    "partial": break_off,
    "halfway": stop_halfway,
    "slow": be_slow,  # seconds
    "endless": be_endless,  # text, such as a line's end
    "flood_log": flood_log,  # lines
    "disk_full": fill_disk,
    "refuse": refuse,  # text, kind
    "hang_up": hang_up,
    "deaf": go_deaf,  # answers, then never reads again, nor leaves
}
"""Ways to misbehave, and what a fault may say beside ``how``."""


def main() -> None:
    """Serve requests."""
    get = os.environ.get
    parser = argparse.ArgumentParser()
    parser.add_argument("--gsasii-path")
    parser.add_argument("--recording", default=get("FAKE_WORKER_RECORDING"))
    parser.add_argument("--misbehave", default=get("FAKE_WORKER_MISBEHAVE", "[]"))
    options = parser.parse_args()
    faults = json.loads(options.misbehave)
    FakeWorker(Recording(options.recording), faults).run()


if __name__ == "__main__":
    main()
