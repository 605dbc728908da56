"""The authorization of calls: the checks that an operation needs, and a trace of decisions."""
