"""The members of ``cnf`` (RFC 7800 §3.1) by which a token is bound, apart from the modules that check them."""

#: For keys: RFC 9449 §6.1.
KEY_THUMBPRINT = "jkt"
#: For certificates: RFC 8705 §3.1.
CERTIFICATE_THUMBPRINT = "x5t#S256"
