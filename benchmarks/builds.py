"""Two checkouts of this package, measured in turn: what a change did to a request.

Run it by ``make bench BASELINE=../before``, or by ``python -m benchmarks.builds ../before``. Measured is the processor
time of one process for each. docs/performance.md says how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.reporting import print_machine, print_table

#: Memory lies differently in each process, which alone makes a few per cent: several are started for each build.
PAIRS, QUICK_PAIRS = 6, 1
ROUNDS, QUICK_ROUNDS = 10, 2
HERE = Path(__file__).parent
SEEN, PROVING = "verify_token(), token seen before", "verify_token(), token never seen"
FLOOR = "signature, base64url and JSON"
BEYOND = "verify_token(), token never seen, beyond that"
COLUMNS = ("what", "us before", "us now", "now over before", "quartiles")


class Side:
    """A process that measures one checkout.

    Args:
        checkout: its folder.
    """

    def __init__(self, checkout: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "one_build.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(checkout), "PYTHONHASHSEED": "0"},
            cwd=checkout,
        )
        place, self.names = json.loads(self._answer() or '["", []]')
        if Path(place).resolve() != checkout.resolve():
            self.close()
            raise SystemExit(f"{checkout} is no checkout of this package: {place or 'nothing'} would be measured.")

    def block(self, name: str) -> float:
        """Return the seconds that one token takes in a block of the figure *name*."""
        assert self._process.stdin is not None
        print(name, file=self._process.stdin, flush=True)
        return float(self._answer())

    def close(self) -> None:
        """End the process, which stops at the end of its input."""
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def measure(before: Side, now: Side, rounds: int, only: str = "") -> dict[str, list[tuple[float, float]]]:
    """Return the pairs of seconds, before and now, of each figure whose name has a match of *only*; one a round."""
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in now.names if re.search(only, name)}
    for number in range(rounds):
        for name, found in pairs.items():
            if number % 2:
                second = now.block(name)
                found.append((before.block(name), second))
            else:
                found.append((before.block(name), now.block(name)))
    if FLOOR in pairs and PROVING in pairs:
        pairs[BEYOND] = [
            (whole[0] - floor[0], whole[1] - floor[1])
            for whole, floor in zip(pairs[PROVING], pairs[FLOOR], strict=True)
        ]
    return pairs


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.builds", description=__doc__)
    parser.add_argument("before", type=Path, help="the folder of the checkout to compare with")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="how many processes of each (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many in each (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one process and two rounds, to see that it works")
    parser.add_argument("--only", default="", help="measure only what this regular expression finds")
    options = parser.parse_args(arguments)
    processes, rounds = (QUICK_PAIRS, QUICK_ROUNDS) if options.quick else (options.pairs, options.rounds)
    pairs: dict[str, list[tuple[float, float]]] = {}
    for _ in range(processes):
        with closing(Side(options.before)) as before, closing(Side(HERE.parent)) as now:
            for name, found in measure(before, now, rounds, options.only).items():
                pairs.setdefault(name, []).extend(found)
    print_machine(f"This build, and that in {options.before}: {processes} processes of each, {rounds} rounds; medians")
    print_table(COLUMNS, [_row(name, found) for name, found in pairs.items()])
    return 0


def _row(name: str, pairs: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    low, ratio, high = statistics.quantiles([now / before for before, now in pairs], n=4)
    us = [f"{statistics.median(seconds) * 1e6:.1f}" for seconds in zip(*pairs, strict=True)]
    return name, *us, f"{ratio:.2f}", f"{low:.2f} to {high:.2f}"


if __name__ == "__main__":
    sys.exit(main())
