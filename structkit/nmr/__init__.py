"""NMR of quadrupolar nuclei in powders."""
