"""Models that answer requests: resolved by registry URI, loaded, warm, and swapped while they are served."""
