"""The comparison demo: one picture without downsampling, with ToDo and with ToMe."""
