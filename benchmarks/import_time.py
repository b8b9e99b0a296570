"""What ``import auth0_blueprint`` costs a process that has imported the five packages which it stands on.

Both times are taken in the same process, one after the other: nothing has to be subtracted from a figure that is ten
times as large. Run it by ``make bench``, or by ``python -m benchmarks.import_time``. docs/performance.md says how to
read it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import auth0_blueprint
from benchmarks.reporting import Target, print_machine, print_table, verdict

PROCESSES, QUICK_PROCESSES = 41, 5
LIMIT_MILLISECONDS = 30.0

COLUMNS = ("import", "median", "quartiles")
DEPENDENCIES = "flask, flask_jwt_extended, flask_caching, requests, marshmallow"

IMPORTS = f"""
import time
started = time.process_time()
import {DEPENDENCIES}
between = time.process_time()
import auth0_blueprint
print(between - started, time.process_time() - between)
"""


def milliseconds_of_imports(bytecode: str) -> tuple[float, float]:
    """Return what a new process needs to import the dependencies, and then the package.

    Args:
        bytecode: the folder where it is kept, of all modules alike.
    """
    environment = {
        **os.environ,
        # The package is the one that is imported here.
        "PYTHONPATH": str(Path(auth0_blueprint.__file__).parents[1]),
        "PYTHONPYCACHEPREFIX": bytecode,
        "PYTHONDONTWRITEBYTECODE": "",
    }
    result = subprocess.run(
        [sys.executable, "-c", IMPORTS], env=environment, capture_output=True, text=True, check=True
    )
    dependencies, package = map(float, result.stdout.split())
    return dependencies * 1e3, package * 1e3


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.import_time", description=__doc__)
    parser.add_argument("--processes", type=int, default=PROCESSES, help="how many (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PROCESSES}, to see that it works")
    options = parser.parse_args(arguments)
    processes = QUICK_PROCESSES if options.quick else options.processes
    with tempfile.TemporaryDirectory() as bytecode:
        milliseconds_of_imports(bytecode)  # compiles
        dependencies, package = zip(*(milliseconds_of_imports(bytecode) for _ in range(processes)), strict=True)
    print_machine(f"Imports in {processes} new processes")
    print_table(COLUMNS, [_row(DEPENDENCIES, dependencies), _row("auth0_blueprint after them", package)])
    name = "import auth0_blueprint, beyond its dependencies"
    return verdict([Target(name, statistics.median(package), LIMIT_MILLISECONDS, " ms")])


def _row(name: str, milliseconds: Sequence[float]) -> tuple[str, ...]:
    low, median, high = statistics.quantiles(milliseconds, n=4)
    return name, f"{median:.1f} ms", f"{low:.1f} to {high:.1f} ms"


if __name__ == "__main__":
    sys.exit(main())
