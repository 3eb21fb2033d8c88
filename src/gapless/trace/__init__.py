"""Records a trial while it runs."""
