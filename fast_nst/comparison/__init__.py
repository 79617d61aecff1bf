"""Benchmarking a model against the reference optimizer, and reporting the results."""

NUMBERS, PAGE, SHEET = "report.json", "report.html", "sheet.png"  # of a report's folder
