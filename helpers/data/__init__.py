"""CIFAR-10: downloading it, reading it, serving it in batches, and putting a batch on the device (notebook 01).

``load_cifar10`` returns plain arrays; ``Cifar10`` and ``train_loader`` / ``test_loader`` serve them in batches;
``to_device`` normalises a batch where the network is.
"""

from helpers.data.fetching import DataError, download
from helpers.data.reading import CLASSES, SAMPLE, data_source, load_cifar10, pack
from helpers.data.serving import (
    MEAN,
    STD,
    Cifar10,
    ShuffledBatches,
    end,
    split,
    start_method,
    test_loader,
    to_device,
    train_loader,
)
from helpers.data.sheets import write_sheet
