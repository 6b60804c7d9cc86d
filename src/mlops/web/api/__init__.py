"""What can be read over HTTP, described by OpenAPI: a router for each subject, each endpoint one call."""
