"""The routes at which others tell what happened elsewhere; each exists only if a setting names its sender."""
