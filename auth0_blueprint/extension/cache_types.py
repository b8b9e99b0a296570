"""The values of ``CACHE_TYPE`` with which nothing is shared, for those who must not import flask-caching to ask."""

#: They store nothing at all.
NULL_CACHES = ("NullCache", "flask_caching.backends.NullCache")
NOTHING_SHARED = (None, "", *NULL_CACHES)
