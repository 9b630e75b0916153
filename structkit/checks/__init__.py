"""Checks between techniques: what one measurement allows another to say."""
