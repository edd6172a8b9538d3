"""Images made worse, to ask what breaks a network: six kinds of damage, three strengths each, with Albumentations.

Notebook 08 writes them out and asks them of three networks, notebook 09 of the better ones. After D. Hendrycks and
T. Dietterich, *Benchmarking Neural Network Robustness to Common Corruptions and Perturbations*, 2019; the kinds and the
strengths are ours, so the figures compare with each other and with nobody else's.
"""

import numpy as np

from helpers import augment  # first: it tells Albumentations not to ask the internet for news

A, EDGE = augment.A, {"border_mode": augment.cv2.BORDER_REFLECT_101, "p": 1}

CORRUPTIONS = {  # name: (unit, strengths, strength → transform)
    "blur": ("deviation (pixels)", (0.5, 1, 1.5), lambda s: A.GaussianBlur(0, (s, s), p=1)),
    "noise": ("deviation (share of 255)", (0.03, 0.06, 0.12), lambda s: A.GaussNoise((s, s), p=1)),
    "JPEG": ("quality", (80, 50, 20), lambda s: A.ImageCompression("jpeg", (s, s), p=1)),
    "darkness": (
        "darker by (share of 255)",
        (0.2, 0.4, 0.6),
        lambda s: A.RandomBrightnessContrast((-s, -s), (0, 0), p=1),
    ),
    "rotation": ("degrees", (10, 20, 40), lambda s: A.Affine(rotate=(s, s), **EDGE)),
    "shift": ("right and down (pixels)", (2, 4, 8), lambda s: A.Affine(translate_px=(s, s), **EDGE)),
}


def corrupted(name, strength, images):
    """Return ``images (N, H, W, 3) uint8`` after the corruption ``name`` of ``CORRUPTIONS``.

    The noise is the same each time; ``strength`` is in the unit of that kind. An unknown name raises a ValueError.
    """
    if name not in CORRUPTIONS:
        raise ValueError(f"there is no corruption {name!r}: choose one of {', '.join(CORRUPTIONS)}")
    transform = A.Compose([CORRUPTIONS[name][2](strength)], seed=0)
    return np.stack([transform(image=image)["image"] for image in images])
