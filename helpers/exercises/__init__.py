"""The checks of the exercises: ``check("06.2", answer)`` says whether an answer is right, and never what it is.

Every notebook ends with exercises; those of 05, which needs no helper, are checked in place. To add one, write a
function that takes the answer and raises ``Wrong`` with a hint, and register it by its number: ``@exercise("06.2")``.
"""

from helpers.exercises import costs, images, kernels, layers, mistakes, speeds, training
from helpers.exercises.checking import check
