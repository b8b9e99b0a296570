"""Who acts on behalf of a user, and for what exactly the user has authorized it (RFC 8693 §4.1, RFC 9396)."""
