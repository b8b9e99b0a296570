"""What the processes of one app share: the cache, the signed entries in it, and the sync that finds changes."""
