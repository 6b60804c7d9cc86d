"""Challengers that answer beside the champion, unseen, and the running verdict on them."""
