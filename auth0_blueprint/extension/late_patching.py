"""gunicorn with ``--preload`` and gevent workers: it imports the app, forks, and only then patches the library.

This package copes: its locks and TLS contexts are made when they are first used. The rest of the app may not.
"""

from __future__ import annotations

import logging
import sys

logger: logging.Logger = logging.getLogger("auth0_blueprint")

PATCHED_LATE = (
    "gunicorn preloads this app, and its gevent workers patch the standard library only afterwards: requests made with "
    "requests or urllib3 over https then end in RecursionError, and a lock made before can block a whole worker. Call "
    "gevent.monkey.patch_all() at the top of gunicorn.conf.py, or start without --preload."
)


def warn_of_late_patching() -> None:
    """Log a warning if gunicorn is going to patch the standard library in workers that it has yet to fork."""
    # gunicorn imports the class of its workers before it preloads the app. Within a worker, all is patched by now.
    monkey = sys.modules.get("gevent.monkey")
    if "gunicorn.workers.ggevent" in sys.modules and monkey is not None and not monkey.is_module_patched("ssl"):
        logger.warning("%s", PATCHED_LATE)
