"""Settings of servers under which parts of an app do not work, found when the blueprint is registered."""

from __future__ import annotations

import importlib
import logging
import sys

logger: logging.Logger = logging.getLogger("auth0_blueprint")

#: This package copes: its locks and TLS contexts are made when they are first used. The rest of the app may not.
PATCHED_LATE = (
    "gunicorn preloads this app, and its gevent workers patch the standard library only afterwards: requests made with "
    "requests or urllib3 over https then end in RecursionError, and a lock made before can block a whole worker. Call "
    "gevent.monkey.patch_all() at the top of gunicorn.conf.py, or start without --preload."
)
NO_THREADS = (
    "uWSGI runs without threads, so nothing happens between requests: key sets are not refreshed in the background. "
    "Start it with --enable-threads."
)

#: Each of these lets threads, or greenlets, run between requests.
_WITH_THREADS = ("enable-threads", "threads", "gevent")


def warn_of_server_settings() -> None:
    """Log a warning if the server around this process is known to stop parts of the app from working."""
    if _will_be_patched_late():
        logger.warning("%s", PATCHED_LATE)
    if _is_without_threads():
        logger.warning("%s", NO_THREADS)


def _will_be_patched_late() -> bool:
    """Return whether gunicorn will patch the standard library in workers that it has yet to fork."""
    # gunicorn imports the class of its workers before it preloads the app. Within a worker, all is patched by now.
    monkey = sys.modules.get("gevent.monkey")
    return "gunicorn.workers.ggevent" in sys.modules and monkey is not None and not monkey.is_module_patched("ssl")


def _is_without_threads() -> bool:
    if "pyuwsgi" in sys.modules:  # Python has started uWSGI, and not the other way round: threads run
        return False
    try:
        uwsgi = importlib.import_module("uwsgi")  # exists only inside uWSGI
    except ImportError:
        return False
    options = getattr(uwsgi, "opt", _WITH_THREADS)
    return not any(name in options for name in _WITH_THREADS)
