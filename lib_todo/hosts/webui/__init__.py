"""The WebUI's face; the only part of the library that knows a host."""
