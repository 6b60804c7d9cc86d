"""Model files out of a store that anybody may write to: fetched, compared with their anchor, loaded."""
