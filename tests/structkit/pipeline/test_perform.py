"""Stages in processes: what an interrupt may and may not break off."""

from __future__ import annotations

import os
import signal
import time

import pytest

from structkit.pipeline.perform import start_stage


def test_an_interrupt_waits_until_a_process_has_its_task() -> None:
    """A child whose parent ends before would print a traceback of its own."""
    done = []

    class Pool:
        def submit(self, *_: object, **__: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            done.append("given")

    with pytest.raises(KeyboardInterrupt):
        start_stage(Pool(), "eis", None, level=0)  # type: ignore[arg-type]
    assert done == ["given"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
