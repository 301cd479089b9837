"""What is compared: ToDo, its two bounds, and other people's methods."""
