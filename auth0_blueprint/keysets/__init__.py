"""The issuer's keys: parsed (`key_set`), fetched (`fetch`), shared (`shared`), and kept current (`source`)."""
