"""Impedance and DC polarization: spectra to conductivity and activation energy."""
