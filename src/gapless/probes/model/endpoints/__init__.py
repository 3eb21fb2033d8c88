"""Ways to ask a model: each speaks one protocol, or goes through a framework; probes see the promise of `base` only."""
