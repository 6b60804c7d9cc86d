"""The nouns: frozen data, no reading and no writing."""
