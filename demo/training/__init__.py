"""Training of the embedded demo model; never imported by the demo itself."""
