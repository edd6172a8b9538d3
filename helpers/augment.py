"""The augmentation of the training images, with Albumentations, from a random stream for each image.

The assignment asks for three: horizontal flip, shift-scale-rotate, and coarse dropout of one 16×16 hole that is
filled with the mean of the data set. Notebook 01 shows what each does alone. Test images are not augmented.
"""

import os
import random

import numpy as np

from helpers.data import MEAN

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else the import below asks the internet for news

import albumentations as A  # noqa: E402
import cv2  # noqa: E402

FILL = tuple(round(255 * mean) for mean in MEAN)  # Albumentations counts pixel values from 0 to 255


def horizontal_flip(p=0.5):
    """Return the mirror image, left for right, with probability ``p``."""
    return A.HorizontalFlip(p=p)


def crop(padding=4):
    """Return two transforms that move each image by up to ``padding`` whole pixels: reflected edges, no blur."""
    return [A.Pad(padding, border_mode=cv2.BORDER_REFLECT_101), A.RandomCrop(32, 32)]


def shift_scale_rotate(p=0.5, shift=0.0625, scale=0.1, rotate=10):
    """Return a random shift (share of the side), scale (1 ± ``scale``) and rotation (± degrees), edges reflected."""
    return A.Affine(
        translate_percent=(-shift, shift),
        scale=(1 - scale, 1 + scale),
        rotate=(-rotate, rotate),
        border_mode=cv2.BORDER_REFLECT_101,
        p=p,
    )


def coarse_dropout(p=0.5, size=16):
    """Return one ``size``×``size`` hole at a random place, filled with the mean colour of the data set."""
    return A.CoarseDropout(
        num_holes_range=(1, 1), hole_height_range=(size, size), hole_width_range=(size, size), fill=FILL, p=p
    )


PIPELINES = {
    "none": lambda: [],
    "light": lambda: [horizontal_flip(), shift_scale_rotate(), coarse_dropout()],
    "gentle": lambda: [horizontal_flip(), shift_scale_rotate(), coarse_dropout(p=0.2)],
    "strong": lambda: [horizontal_flip(), *crop(), shift_scale_rotate(shift=0), coarse_dropout()],
    "shifted": lambda: [horizontal_flip(), *crop(2)],
}


class PythonStream(random.Random):
    """A ``random.Random`` that draws from a NumPy ``generator``: Albumentations draws from one of either kind."""

    gauss = random.Random.normalvariate  # the same distribution; ``gauss`` keeps every second number for later

    def __init__(self, generator):
        super().__init__(0)
        self.generator, self.random = generator, generator.random  # ``random`` without a Python function in between

    def getrandbits(self, k):
        """Return a whole number of ``k`` random bits, 64 at most."""
        return self.generator.bit_generator.random_raw() >> (64 - k)

    def __reduce__(self):
        return PythonStream, (self.generator,)


class Augment:
    """A pipeline of Albumentations' transforms that draws from a stream of its own for each (seed, epoch, index).

    ``transforms`` is a list of transforms, ``seed`` a whole number below 2⁶⁴. The usual way, one stream a worker
    process, repeats itself in every worker and, unless they are kept, every epoch; here the result does not depend on
    workers at all, and an epoch can be done again from its start.

    Philox, a generator that enciphers a counter (J. Salmon et al., *Parallel Random Numbers: As Easy as 1, 2, 3*,
    2011), makes that cheap: ``seed`` is the key, the upper half of the 256-bit counter is (epoch, index), and the
    lower half counts what one image draws: it would have to draw 2¹³⁰ numbers to run into another's.
    """

    def __init__(self, transforms, seed=0):
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed must be a whole number from 0 to 2**64 - 1, not {seed}")
        self.stream = np.random.Generator(np.random.Philox(key=seed))
        self.start = {  # all of Philox's state: where nothing has been drawn, buffers are empty
            "bit_generator": "Philox",
            "state": {"counter": [0, 0, 0, 0], "key": [seed, 0]},  # lowest word first; lists are read fastest
            "buffer": [0, 0, 0, 0],
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }
        self.pipeline = A.Compose(transforms)
        self.pipeline.set_random_state(self.stream, PythonStream(self.stream))
        cv2.setNumThreads(0)  # they would take turns with training, and a forked worker can wait for them forever

    def __setstate__(self, state):
        """Arrive in a worker process that was not forked, where they are on again."""
        self.__dict__.update(state)
        cv2.setNumThreads(0)

    def restart(self, epoch, index):
        """Put the stream at the start of what this epoch and index draw."""
        self.start["state"]["counter"][2:] = index, epoch
        self.stream.bit_generator.state = self.start

    def __call__(self, image, epoch, index):
        """Return the augmented ``image (32, 32, 3) uint8`` of this epoch and index."""
        self.restart(epoch, index)
        return self.pipeline(image=image)["image"]


def pipeline(name, seed=0):
    """Return the ``Augment`` called ``name`` in ``PIPELINES``; None for "none", which changes nothing."""
    if name not in PIPELINES:
        raise ValueError(f"there is no augmentation {name!r}: choose one of {', '.join(PIPELINES)}")
    transforms = PIPELINES[name]()
    return Augment(transforms, seed) if transforms else None
