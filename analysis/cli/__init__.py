"""The command line of the library: ``attnscope diagnose`` and ``attnscope score``."""
