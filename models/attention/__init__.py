"""Attention mechanisms: importing this package registers all of them, in the order shown."""

from models.attention import content, location
from models.attention.base import (
    FAMILIES,
    Attention,
    AttentionStep,
    Intervention,
    MechanismInfo,
    Memory,
    Sizes,
    State,
    build,
    gather,
    mechanisms,
    register,
)

__all__ = [
    "FAMILIES",
    "Attention",
    "AttentionStep",
    "Intervention",
    "MechanismInfo",
    "Memory",
    "Sizes",
    "State",
    "build",
    "content",
    "gather",
    "location",
    "mechanisms",
    "register",
]
