"""The fixtures for pytest, loaded by the entry point in the group ``pytest11``. Inert unless one of them is used."""
