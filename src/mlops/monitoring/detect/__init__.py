"""Has the world moved away from the model? Pure statistics on any frame; nothing here needs a database."""
