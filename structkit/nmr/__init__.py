"""NMR: spectra, lines, composition, relaxation."""
