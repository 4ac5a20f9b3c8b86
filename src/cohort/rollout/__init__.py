"""How answers come to be: the native sampler, and what stands in for it in tests."""
