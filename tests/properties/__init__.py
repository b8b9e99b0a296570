"""Properties that hold for arbitrary input, and a model of the key source: `make fuzz` is the long run of them."""
