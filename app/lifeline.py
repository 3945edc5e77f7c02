"""Worker processes that end with the process that started them, also when that is killed.

Imports nothing heavy: a worker that is still loading its libraries is watched already.
"""

import os
import signal
import threading
from multiprocessing.connection import Connection


def end_with_parent(lifeline: Connection) -> None:
    """Let this process end when the other end of `lifeline`, held by its parent alone, closes.

    It closes when the parent ends in whatever way, kill -9 included.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle

    def watch() -> None:
        lifeline.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
