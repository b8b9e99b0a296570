"""Who is calling, and may they: the guards of views, what they require, and the state of one request."""
