"""The command line: ``python -m helpers.bench`` (``make bench``) measures this machine (notebook 10)."""

import argparse
import json
from pathlib import Path

from helpers import training
from helpers.bench.suite import report, suite
from helpers.training.machine import usable_device


def main(arguments=None):
    """The command line: measure, print, and keep the result where ``--json`` says."""
    parser = argparse.ArgumentParser(prog="python -m helpers.bench", description="How fast is training here?")
    parser.add_argument("--quick", action="store_true", help="under a minute: few batches, no torch.compile")
    parser.add_argument("--rounds", type=int, default=None, help="how often each is measured (default: 5; quick: 2)")
    parser.add_argument("--batches", type=int, default=None, help="batches of 128 images (default: 8, GPU 64; quick 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all that was measured in FILE")
    parser.add_argument("--device", default=None, help="cuda, mps or cpu (default: the fastest there is)")
    options = parser.parse_args(arguments)
    device = usable_device(options.device) if options.device else training.best_device()
    few = (2, 2) if options.quick else (5, 8 if device.type == "cpu" else 64)  # for large batches, and many workers
    result = suite(device, options.rounds or few[0], options.batches or few[1], options.quick)
    print(report(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
