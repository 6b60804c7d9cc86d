"""What was asked and answered, stored exactly once, with what people said of it later."""
