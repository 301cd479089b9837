"""AUTOMATIC1111's WebUI, Forge and reForge: accordion, callbacks, infotext, plot axes."""
