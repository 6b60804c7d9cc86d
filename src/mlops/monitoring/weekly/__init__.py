"""The weekly check of every served version: what is read, judged and recorded."""
