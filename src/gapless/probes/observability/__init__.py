"""What is recorded of trials, and what recording costs."""
