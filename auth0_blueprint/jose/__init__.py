"""base64url, strict JSON, JWS, JWK and the algorithms (RFC 7515 to 7518)."""
