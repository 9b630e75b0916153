"""Impedance: circuits and their fit, what can be told apart, validity."""
