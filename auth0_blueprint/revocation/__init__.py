"""Revoked tokens: which (`index`), what processes share of them (`shared_set`), and what requests ask (`service`)."""
