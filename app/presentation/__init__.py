"""Views collected from any page, in order: shown step by step, kept and passed on as one file."""

from app.presentation.deck import Deck, Panel, Slide, Sound
from app.presentation.page import Setting, render
from app.presentation.saved import SavedError, read

__all__ = ["Deck", "Panel", "SavedError", "Setting", "Slide", "Sound", "read", "render"]
