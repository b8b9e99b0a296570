"""Proof of possession beside the token: DPoP (RFC 9449) and client certificates (RFC 8705)."""
