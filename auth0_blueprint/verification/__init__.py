"""Credentials and token text to a verified `AccessToken`. Knows no Flask."""
