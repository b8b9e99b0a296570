"""Revoked tokens: those in force (`index`), the log that processes share (`log`), and the checks (`service`)."""
