"""The commands of ``flask auth0``, each in a module of its name, as ``command``. `output` prints for all of them."""
