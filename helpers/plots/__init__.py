"""Every figure of the course, by subject: ``plots.roofline(…)``. Each function draws one and returns it.

To add a figure, write a function in the file of its subject, under ``@styled()``, and name it here.
"""

from helpers.plots.analysis import (
    class_intervals,
    confusions,
    differences,
    effective_fields,
    heat_rows,
    reliability_diagrams,
    robustness,
)
from helpers.plots.convolutions import (
    channel_maps,
    convolution_by_numbers,
    dilation_gif,
    footprint,
    path_maps,
    product_by_numbers,
)
from helpers.plots.cost import (
    accuracy_against_cost,
    bars,
    kind_costs,
    kind_times,
    parameter_budget,
    roofline,
    separable_ratio,
)
from helpers.plots.data import channel_histograms, image_rows, pictures, pixels_as_numbers
from helpers.plots.descent import descents, losses
from helpers.plots.networks import (
    accuracy_against_parameters,
    accuracy_against_training,
    layer_shapes,
    parameters_and_macs,
    receptive_field_growth,
    reckoning,
    seen_squares,
    separable_unit,
    waterfall,
)
from helpers.plots.speed import amdahl, epoch_stages, scaling
from helpers.plots.training import class_accuracy, learning_curves, own_beside, schedule, test_accuracies
