"""Alerts, and the messages that bring them to whoever should know."""
