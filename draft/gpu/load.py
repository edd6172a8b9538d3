import sys, time, numpy as np, itertools, torch
from helpers.augment import pipeline
from helpers.data import Cifar10, train_loader, end
if __name__ == "__main__":
    w = int(sys.argv[1]); name = sys.argv[2]; n = int(sys.argv[3])
    im = np.random.default_rng(0).integers(0, 256, (50000, 32, 32, 3), dtype=np.uint8); y = np.zeros(50000, np.int64)
    it = iter(train_loader(Cifar10(im, y, pipeline(name, 0)), 128, 0, w, (0, 1), range(1, 9), torch.device("cuda" if torch.cuda.is_available() else "cpu")))
    for _ in range(40): next(it)
    t = time.perf_counter()
    for _ in range(n): next(it)
    print(f"loader {name} {w} workers: {n*128/(time.perf_counter()-t):.0f} images/s", flush=True)
    end(it)
