"""NMR spectra: lines, composition, relaxation and motion."""
