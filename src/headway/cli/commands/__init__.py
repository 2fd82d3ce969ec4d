"""The verbs, grouped by what they do; loaded only when one of them is called."""
