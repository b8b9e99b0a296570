"""Single flight, deadlines, and forked children."""
