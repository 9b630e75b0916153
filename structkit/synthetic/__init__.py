"""Synthetic measurements with known truth, made with none of the fitters' code."""
