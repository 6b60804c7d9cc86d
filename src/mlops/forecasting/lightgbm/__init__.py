"""One LightGBM for all series (the only door to lightgbm)."""
