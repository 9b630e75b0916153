"""Imitates what ``worker.py`` uses of GSAS-II, with its traps; written for the tests.

A project is a pickled dict, as GSAS-II's is. ``Refine`` does what the next line of
``stub.json`` beside the project says: ``"fit"`` (also when there is none), or a dict
``{"how": "refuse"}``; see ``GSASIIstrMain``.
"""
