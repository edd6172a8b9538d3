"""Stands in for the module of this name on Colab: the notebooks ask only whether it is loaded."""
