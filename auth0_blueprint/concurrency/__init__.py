"""Single flight, deadlines, forked children, and the clock."""
