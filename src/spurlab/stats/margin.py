"""What difference between two spurious scores matters: one number for what is learnt, forgotten and claimed."""

# one test example in twenty; networks that differ in the seed alone differ by more than this at n = 3 to 10
SCORE_MARGIN = 0.05  # the smallest
