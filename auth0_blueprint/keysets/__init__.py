"""The issuers' keys: parsed (`key_set`), fetched (`fetch`), shared (`shared_copy`), and kept current (`source`)."""
