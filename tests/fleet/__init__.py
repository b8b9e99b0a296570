"""Many processes that share one issuer, and a cache that may fail: real gunicorn, real Redis, real HTTP."""
