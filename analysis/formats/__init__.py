"""Transcripts with times as files that other programs read; pure text, nothing is opened here."""
