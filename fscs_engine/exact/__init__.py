"""The exact step: layer colors that add up to the image, and what the layers give when put together again."""
