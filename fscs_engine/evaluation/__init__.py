"""Measures of layers, and the evaluation over many images."""
