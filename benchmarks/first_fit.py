"""Refine bench3 once: what a user waits for in a fresh process."""

from __future__ import annotations

from benchmarks import cases
from refinement.engines.native.engine import NativeEngine


def main() -> None:
    case = cases.bench3()
    NativeEngine().refine(case.pattern, case.plan)


if __name__ == "__main__":
    main()
