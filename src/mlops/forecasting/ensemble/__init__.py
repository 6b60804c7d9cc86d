"""The default kinds: portfolios of other kinds, weighted by the errors that these made at past origins."""
