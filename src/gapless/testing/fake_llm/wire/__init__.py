"""The OpenAI protocol: request bodies in, answers and stream events out. Knows nothing of rules, faults or sockets."""
