"""Tables that every face shows alike: each file turns one part of a gap into a section, or into none."""
