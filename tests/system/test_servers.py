"""The servers of docs/how-to/servers.md that are no Python packages: Apache with mod_wsgi, and uWSGI as a program.

Debian has both: libapache2-mod-wsgi-py3, uwsgi-core and uwsgi-plugin-python3. They bring Debian's Python.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import flask
import pytest
from documents import blocks_of
from fleet.server_life import PAGE, Server, begun_refresh, live, refreshes, served
from fleet.servers import KeySetServer
from processes import eventually

from auth0_blueprint.testing import LocalIssuer

APACHE = Path("/usr/lib/apache2/modules/mod_wsgi.so")
UWSGI = Path("/usr/lib/uwsgi/plugins/python3_plugin.so")
PYTHON = Path("/usr/bin/python3")
SITE_PACKAGES = str(Path(flask.__file__).parents[1])

CONFIGURATION = """
ServerName localhost
PidFile {directory}/apache.pid
ErrorLog {directory}/log
Listen 127.0.0.1:${{PORT}}
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
<Directory {directory}>
    Require all granted
</Directory>
WSGISocketPrefix {directory}/wsgi
{advised}
"""


@pytest.fixture
def key_set_server() -> Iterator[KeySetServer]:
    with LocalIssuer() as issuer, KeySetServer(issuer) as server:
        yield server


def need(program: Path, package: str) -> None:
    """Skip the test unless Debian's *package* is there, and its Python is ours but for the last number."""
    if not program.exists():
        pytest.skip(f"apt-get install {package}: this test needs it")
    version = subprocess.check_output([PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], text=True).split()
    if version != [str(number) for number in sys.version_info[:2]]:
        pytest.skip(f"{package} is built for Python {'.'.join(version)}, the packages here are not")


def test_apache_with_mod_wsgi(key_set_server: KeySetServer, directory: Path) -> None:
    """Without ``WSGIPassAuthorization On`` no token reaches the app. A changed script file makes new processes."""
    need(APACHE, "libapache2-mod-wsgi-py3")
    folder = directory / "apache"
    folder.mkdir()
    user = ""
    if os.getuid() == 0:  # Apache refuses to be root
        user = "User www-data\nGroup www-data"
        if subprocess.run(["runuser", "-u", "www-data", "--", "test", "-r", __file__], check=False).returncode:
            pytest.skip("www-data cannot read the package")
        for path in (directory, folder):
            path.chmod(0o755)
        shutil.chown(folder, "www-data")
    modules_at = f"{folder}:{Path(__file__).parents[2]}:{SITE_PACKAGES}"
    (advised,) = (block.code for block in blocks_of(PAGE) if block.language == "apache")
    advised = re.sub("python-path=.*", f"python-path={modules_at}", advised).replace("/srv/api/", f"{folder}/")
    configuration = folder / "apache.conf"
    configuration.write_text(
        CONFIGURATION.format(directory=folder, modules=APACHE.parent, user=user, advised=advised), encoding="utf-8"
    )
    (folder / "api.wsgi").write_text("from fleet_app import app as application\n")
    command = f"apache2 -f {configuration} -DFOREGROUND"
    live(Server(command, "", reload=str(folder / "api.wsgi")), key_set_server, folder)


NATIVE = f"{shutil.which('uwsgi', path='/usr/bin')} --plugin python3 --module fleet_app:app --master --processes 2"
ADDRESS = (
    "--die-on-term --worker-reload-mercy 10 --buffer-size 32768 --http11-socket 127.0.0.1:{port} "
    f"--pythonpath {SITE_PACKAGES}"
)


def test_uwsgi_with_threads(key_set_server: KeySetServer, directory: Path) -> None:
    need(UWSGI, "uwsgi-core uwsgi-plugin-python3")
    folder = directory / "uwsgi"
    folder.mkdir()
    live(Server(f"{NATIVE} --enable-threads", ADDRESS), key_set_server, folder)


def test_uwsgi_without_threads(key_set_server: KeySetServer, directory: Path) -> None:
    """It serves, and says at startup what is wrong: a refresh ends only when the next requests come."""
    need(UWSGI, "uwsgi-core uwsgi-plugin-python3")
    folder = directory / "frozen"
    folder.mkdir()
    token = key_set_server.issuer.token()
    with served(Server(NATIVE, ADDRESS), folder, key_set_server.settings) as (workers, _):
        assert workers.ask_every_worker(token).are_all_ok
        assert workers.log().count("uWSGI runs without threads") == 1
        refresh = begun_refresh(key_set_server, workers, token)
        before = refreshes(workers)
        refresh.end()
        Event().wait(1)  # in which one with threads would have got them
        assert refreshes(workers) == before
        eventually(lambda: workers.ask(token).status == 200 and refreshes(workers) > before)
