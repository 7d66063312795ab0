"""A published net becomes adaptive: exits on its frozen weights, for the user's own classes."""
