"""Text for Streamlit's Markdown."""


def escape_markdown(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is."""
    return "".join(f"\\{char}" if char in r"\`*_[]<>#|$~:" else char for char in text)
