"""The issuers' keys: parsed (`key_set`), fetched (`fetch`), shared (`shared`), and kept current (`source`)."""
