"""Runs the hostile suites: `python -m tests.hostile [--long] [--seed N] [--only NAME]`.

A suite is an entry of `SUITES` in any module of this folder. One row each; exit code 1 when
anything failed.
"""

import argparse
import importlib
import pkgutil
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.suite import Suite


def suites() -> Iterator[Suite]:
    """Yield the suites of all modules of this folder."""
    for found in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda m: m.name):
        if not found.name.startswith("_"):
            yield from getattr(importlib.import_module(f"tests.hostile.{found.name}"), "SUITES", ())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--long", action="store_true", help="all cases; a tenth otherwise")
    parser.add_argument("--seed", type=int, help="repeats a run; a new one each time otherwise")
    parser.add_argument(
        "--only", action="append", default=[], help="suites whose name holds this; may be repeated"
    )
    asked = parser.parse_args()
    seed = random.randrange(1 << 32) if asked.seed is None else asked.seed
    print(f"seed {seed}{', long' * asked.long}")
    print(f"{'suite':32} {'cases':>9} {'slowest':>10} {'took':>9} {'failures':>9}", flush=True)
    failed = 0
    for suite in suites():
        if asked.only and not any(part in suite.name for part in asked.only):
            continue
        begin_s = time.monotonic()
        tally = suite.play(seed, asked.long)
        took_s = time.monotonic() - begin_s
        print(
            f"{suite.name:32} {tally.cases:9,} {1e3 * tally.slowest_s:7.1f} ms {took_s:7.1f} s "
            f"{tally.failed:9,}",
            flush=True,
        )
        for line in tally.failures:
            print(f"    {line}", flush=True)
        failed += tally.failed
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
