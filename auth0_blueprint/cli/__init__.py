"""The commands of ``flask auth0``: each in the module of its name, its ``command``. `output` is how they print."""
