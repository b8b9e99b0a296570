"""Tokens for the API's own calls: on behalf of the caller, of a connection, or for the API itself. Knows no Flask."""
