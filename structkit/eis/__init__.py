"""Impedance and polarization: validity, circuits, conductivity, activation energy."""
