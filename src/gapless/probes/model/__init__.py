"""Layer 2: what a model's endpoint does when it is asked, and when it is asked much."""
