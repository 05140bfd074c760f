"""The networks: their modules, their weights, and how they run on an image of any size."""
