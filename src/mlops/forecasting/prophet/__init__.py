"""Prophet for many series at once: a batched fit of the same model (the only door to prophet)."""
