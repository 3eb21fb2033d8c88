"""What must hold at a boundary, one guard per file; `boundary.contract` puts them together."""
