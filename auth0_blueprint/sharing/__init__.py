"""What the processes of one app share: a cache for key sets, and a store with atomic operations for the rest."""
