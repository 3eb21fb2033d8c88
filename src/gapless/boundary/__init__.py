"""What happens between two steps while a trial runs: crossings, middleware, suspicions, faults."""
