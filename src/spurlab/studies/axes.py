"""The columns of rows that say which network was measured, and what was done to it."""

PLACE = ("pattern", "target", "n", "seed")
METHODS = ("deletion", "prevention")  # what was done to the network; off: ""
SHARES = ("known", "share", "clean")
PLAIN = "erm"  # the prevention that does nothing: the network as it was trained
