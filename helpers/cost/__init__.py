"""What a convolution, or a whole network, costs: parameters, multiply-adds, memory traffic, and how far it sees.

``conv_cost`` is the formula for one convolution, ``network_cost`` counts any network that runs forward on images.
What is counted, and how (notebook 03 works it out by hand):

- ``params``: numbers that training adjusts, each once, even where a layer runs twice or shares its weights.
- ``macs``: multiply-accumulates of convolutions and matrix products. 1 MAC = 2 FLOPs, a multiplication and an addition.
  Biases, normalisation, activations and pooling count as 0: they are a few operations per element of the output, where
  a convolution has hundreds. torchvision counts its networks in the same way.
- ``activations``: the elements of what a layer gives out.
- ``bytes``: every element that goes into a layer (weights too) is read once, every element that it gives out is written
  once, ``element_size`` bytes each (4: float32). That is the least there can be; a real kernel may move more.
- ``arithmetic_intensity``: FLOPs per byte, 2 · macs / bytes.
- ``receptive_field``: the side of the square of input pixels that can reach one element of the output; ``jump``: the
  pixels from one element to the next. Single numbers, or pairs (height, width) where the two differ. As is usual,
  padding is not cut off, and normalisation layers are taken to add nothing. None (a "?" in the table) where they cannot
  be followed with certainty. Source of the recurrences: Araujo, Norris, Sim, "Computing Receptive Fields of
  Convolutional Neural Networks", Distill 2019, doi:10.23915/distill.00021.
"""

from helpers.cost.counter import network_cost
from helpers.cost.formula import conv_cost
from helpers.cost.table import Cost, NetworkCost, cost_table
