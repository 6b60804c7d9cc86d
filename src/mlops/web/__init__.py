"""The only door to FastAPI: what other programs may say to this one over HTTP."""
