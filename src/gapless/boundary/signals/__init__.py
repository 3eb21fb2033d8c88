"""What may speak for an answer before anybody has judged it: one number each, between 0 and 1, higher is surer."""
