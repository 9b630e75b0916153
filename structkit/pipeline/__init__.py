"""From a series file to stored results: the one place that orders the stages."""
