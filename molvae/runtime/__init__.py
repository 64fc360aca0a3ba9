"""What the machine offers: compiled loops, worker processes, folders that are written whole."""
