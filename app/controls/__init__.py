"""Controls that pages share, each with help; what they say survives a change of page."""
