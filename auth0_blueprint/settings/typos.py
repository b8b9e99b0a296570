"""Names of settings that were probably meant to be others."""

from __future__ import annotations

import difflib
import logging

logger: logging.Logger = logging.getLogger("auth0_blueprint")


def log_probable_typos(present: set[str], known: set[str]) -> None:
    """Log each of the names *present* that is not *known*, but close to one that is."""
    for key in sorted(key for key in present if key.startswith("AUTH0_") and key not in known):
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.85)
        if close:
            logger.warning("%.80r is not a known setting: did you mean %s?", key, close[0])
