"""What is compared: ToDo, and other people's methods."""
