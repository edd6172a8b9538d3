"""How fast training is here, part by part, beside a plain pipeline: ``python -m helpers.bench`` (``make bench``).

``--quick`` takes less than a minute on two free cores and leaves out torch.compile; ``--json FILE`` keeps everything
that was measured. Notebook 10 explains the parts.
"""

from helpers.bench.measuring import matmul_peak, training_flops
from helpers.bench.pipelines import best_speed, choices, our_loader, plain_loader, plain_trainer, trainer
