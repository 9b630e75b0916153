"""One file for each section of the page; each reads stored results only."""
