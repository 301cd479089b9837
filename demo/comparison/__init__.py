"""Shared by command, app and notebook: make one picture by each method, and measure it."""
