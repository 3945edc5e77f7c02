"""Whisper models of Hugging Face transformers as variants (requirements-whisper.txt)."""

from models.interop.whisper.variant import WhisperVariant, load

__all__ = ["WhisperVariant", "load"]
