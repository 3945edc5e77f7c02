"""A run or a comparison as one HTML file that opens anywhere, also without a network."""

from app.report.content import Report
from app.report.from_clips import from_clips, from_json
from app.report.from_run import from_run
from app.report.page import render

__all__ = ["Report", "from_clips", "from_json", "from_run", "render"]
