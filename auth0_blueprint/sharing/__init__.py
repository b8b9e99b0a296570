"""What the processes of one app share: the cache, signed entries in it, and when to look for changes."""
