"""Personal data: finding it, and replacing, removing or marking it."""
