"""The command line: ``python -m helpers.data --pack FOLDER [--data COPY]``. Notebook 01 explains the data.

It packs CIFAR-10 for a room without a network.
"""

import argparse
from pathlib import Path

from helpers.data.reading import DataError, data_source, pack


def main(arguments=None):
    """The command line: ``python -m helpers.data --pack FOLDER [--data COPY]``."""
    parser = argparse.ArgumentParser(prog="python -m helpers.data", description="Pack CIFAR-10 into contact sheets.")
    parser.add_argument("--pack", metavar="FOLDER", required=True, help="where the sheets go: a new or empty folder")
    parser.add_argument("--data", metavar="COPY", help="the data set to pack (default: CIFAR10_DIR, or a download)")
    options = parser.parse_args(arguments)
    try:
        count = pack(options.pack, options.data)
    except (DataError, OSError) as error:
        parser.exit(1, f"error: {error}\n")
    folder = Path(options.pack).expanduser().resolve()
    print(f"{count:,} images are in {folder}, {data_source(folder)['exactness']}.")
    print("Copy the folder to any machine, and set the environment variable CIFAR10_DIR to it.")


if __name__ == "__main__":
    main()
