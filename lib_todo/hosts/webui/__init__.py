"""The WebUI, Forge, reForge and SD.Next: accordion, callbacks, infotext, plot axes."""
