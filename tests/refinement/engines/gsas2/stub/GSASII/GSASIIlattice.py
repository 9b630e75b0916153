"""Cells with right angles only."""


def cell2A(cell):
    return [1.0 / cell[0] ** 2, 1.0 / cell[1] ** 2, 1.0 / cell[2] ** 2, 0.0, 0.0, 0.0]


def calc_V(tensor):
    return 1.0 / (tensor[0] * tensor[1] * tensor[2]) ** 0.5
