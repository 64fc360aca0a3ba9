"""Services of the machine: compiled loops, worker processes, locks, caches, atomic folders."""
