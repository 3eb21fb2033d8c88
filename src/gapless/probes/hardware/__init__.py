"""The host: memory bandwidth, placement, limits, pressure, pages, GPUs. Reads files and times kernels; changes nothing."""
