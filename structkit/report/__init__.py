"""One page from stored results: :func:`structkit.report.write.write_report`."""
