"""The mathematics: pure functions on one-dimensional tensors over sampled tokens or rollouts.

Torch alone. No configuration, no devices, no logging, no batches: what is laid out how in memory
is not known here, so it cannot change what is learned.
"""
