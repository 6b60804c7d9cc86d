"""Who may ask for what: API keys, their roles and scopes, and how often."""
