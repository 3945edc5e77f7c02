"""Attention mechanisms. Every module of this package is imported, so that its classes register."""

from importlib import import_module
from pkgutil import iter_modules

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

for _module in iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)

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
    "gather",
    "mechanisms",
    "register",
]
