"""Withdrawn tokens: which (`index`), the log that processes share (`log`), and what requests ask (`service`)."""
