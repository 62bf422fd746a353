class ParallelgenError(Exception):
    """Tell the user what cannot be done and why; the text is shown as it is, without a traceback."""
