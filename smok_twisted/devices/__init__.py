"""The live device: what every link ends in. Orders, batches, values, polling while watched, writes with read-back."""
