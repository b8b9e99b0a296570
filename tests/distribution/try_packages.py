"""Look at the wheel and the source distribution in a folder, and use the wheel as somebody does who has nothing else.

``python tests/distribution/try_packages.py dist``: part of ``make packages``, with nothing but the standard library.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMOKE = Path(__file__).with_name("smoke.py")
FIXTURES = Path(__file__).with_name("smoke_of_fixtures.py")
#: In git, and of no use to whoever has the archive.
LEFT_OUT = {".ci/run"}


def main() -> None:
    """Look at the archives in the folder that the command line names; the first fault ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with one wheel and one source distribution")
    folder: Path = parser.parse_args().folder
    (wheel,) = folder.resolve().glob("*.whl")
    (sdist,) = folder.resolve().glob("*.tar.gz")
    with tempfile.TemporaryDirectory(prefix="packages-") as scratch:
        _compare_with_git(sdist)
        _compare_with_the_package(wheel)
        _build_again(Path(scratch) / "again", wheel, sdist)
        _use(wheel, Path(scratch))


def _compare_with_git(sdist: Path) -> None:
    """The source distribution holds what git has, and nothing else: no caches, no settings of a developer."""
    with tarfile.open(sdist) as archive:
        shipped = {member.name.partition("/")[2] for member in archive if member.isfile()} - {"PKG-INFO"}
    command = ["git", "-C", str(ROOT), "ls-files"]
    known = set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()) - LEFT_OUT
    _fail_if(shipped - known, "in the source distribution, and not in git")
    _fail_if(known - shipped, "in git, and not in the source distribution")
    _say(f"{sdist.name}: {len(shipped)} files, those that git has")


def _compare_with_the_package(wheel: Path) -> None:
    """The wheel holds the package and its metadata: neither tests nor examples."""
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "auth0_blueprint").rglob("*") if path.is_file() and path.suffix != ".pyc")
    known = {str(path.relative_to(ROOT)) for path in files}
    _fail_if(shipped ^ known, "in the wheel or in the package, and not in both")
    _say(f"{wheel.name}: {len(shipped)} files, those of the package")


def _build_again(folder: Path, *first: Path) -> None:
    """The same sources make the same bytes, so that others can see what a release was made of."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    for archive in first:
        _fail_if({archive.name} if _digest(archive) != _digest(folder / archive.name) else (), "another one each time")
    _say("built twice: the same bytes")


def _use(wheel: Path, scratch: Path) -> None:
    """Install the wheel into an empty environment, with the pinned dependencies, and use it from an empty folder."""
    environment, empty = scratch / "environment", scratch / "empty"
    empty.mkdir()
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    _install(python, "--require-hashes", "--requirement", str(ROOT / "requirements" / "runtime.txt"))
    _install(python, str(wheel))
    _run(python, "-m", "pip", "check", folder=empty)
    version = wheel.name.split("-")[1]
    _run(python, str(SMOKE), version, folder=empty)
    _install(python, "--require-hashes", "--requirement", str(ROOT / "requirements" / "fixtures.txt"))
    # Copied, so that neither the configuration nor the fixtures of this repository are found.
    test = empty / "test_of_an_app.py"
    test.write_bytes(FIXTURES.read_bytes())
    _run(python, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", test.name, folder=empty)


def _install(python: Path, *arguments: str) -> None:
    # Without dependencies: whatever is not pinned must not come, and `pip check` tells what is missing.
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *arguments, folder=ROOT)


def _run(python: Path, *arguments: str, folder: Path) -> None:
    # What a developer has set must not help: PYTHONPATH above all, and AUTH0_*.
    kept = ("HOME", "TMPDIR", "PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
    inherited = {name: value for name, value in os.environ.items() if name.startswith(kept)}
    variables = {**inherited, "PATH": f"{python.parent}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    sys.stdout.flush()
    if subprocess.run([str(python), *arguments], cwd=folder, env=variables, check=False).returncode:
        sys.exit(f"failed: {' '.join(arguments)}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _fail_if(names: object, fault: str) -> None:
    if names:
        sys.exit(f"{fault}: {', '.join(sorted(names))}" if isinstance(names, set) else fault)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
