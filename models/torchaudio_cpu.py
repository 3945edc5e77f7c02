"""torchaudio's Python parts, importable also with a CPU-only torch.

torchaudio's wheel links its C++ operators against CUDA. Beside a CPU-only torch they fail to load
and ``import torchaudio`` raises, although resampling, mel filters and masking need no operator.
Import torchaudio from here and nowhere else::

    from models.torchaudio_cpu import torchaudio

With the stand-in its C++ operators (``forced_align``, ``rnnt_loss``, fast ``lfilter``) are absent;
AttnScope uses none of them.
"""

import importlib
import sys
from types import ModuleType

EXTENSION = "torchaudio._extension"


def _unavailable(function):
    """Stand-in for torchaudio's decorator: the function explains itself only when it is called."""

    def refuse(*_, **__):
        raise RuntimeError(
            f"{function.__name__} needs torchaudio's C++ operators, which did not load"
        )

    return refuse


def _stand_in() -> ModuleType:
    """What torchaudio's Python parts ask of the module that loads its C++ operators."""
    module = ModuleType(EXTENSION, "Stand-in: torchaudio without its C++ operators.")
    module._IS_TORCHAUDIO_EXT_AVAILABLE = False
    module._IS_ALIGN_AVAILABLE = False
    module.fail_if_no_align = _unavailable
    return module


def _import_torchaudio() -> ModuleType:
    try:
        return importlib.import_module("torchaudio")
    except (OSError, RuntimeError):  # no CUDA libraries; or built for another CUDA than torch
        sys.modules[EXTENSION] = _stand_in()
        return importlib.import_module("torchaudio")


torchaudio = _import_torchaudio()
