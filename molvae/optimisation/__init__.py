"""Search for molecules whose properties become better."""
