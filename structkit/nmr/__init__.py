"""NMR of solids: processing, lines, composition, relaxation."""
