"""``python -m helpers.training``, with errors in one sentence. Notebook 06 shows it, and 10 with torchrun."""

import _thread
import errno
import os
import sys
import threading

from helpers.data import DataError
from helpers.training.command import main
from helpers.training.epoch import TrainingError
from helpers.training.machine import environment_number


def insist_on_interrupts():
    """Have Ctrl-C count wherever it arrives: of one within a ``__del__`` Python only reports, and training goes on."""

    def report(unraisable):
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            threading.Timer(0.1, _thread.interrupt_main).start()  # once more, when that is over
        else:
            sys.__unraisablehook__(unraisable)

    sys.unraisablehook = report


if __name__ == "__main__":
    insist_on_interrupts()
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ninterrupted: the same line with --resume goes on from the last whole epoch")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            sys.exit(f"error: {error}")
        sys.exit(
            f"error: the disk is full ({error}): free some room; with --resume the run goes on from its last checkpoint"
        )
    except (TrainingError, DataError, ValueError) as error:
        sys.exit(f"error: {error}")
    if environment_number("WORLD_SIZE", 1) > 1:  # gloo's threads outlive its group, and can abort Python's own end
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
