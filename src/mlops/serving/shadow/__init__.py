"""Challengers that answer what the champion is asked, unseen, and what their answers say about them."""
