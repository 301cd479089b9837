"""`python -m demo.app`: the same comparison as a page in the browser."""
