"""Statistics of interleaved rounds."""

import statistics


class Summary:
    """Median and quartiles of samples; spread is half the distance of the quartiles, as a share of the median."""

    def __init__(self, samples):
        self.samples = list(samples)
        self.median = statistics.median(self.samples)
        if len(self.samples) > 1:
            self.low, _, self.high = statistics.quantiles(self.samples, n=4, method="inclusive")
        else:
            self.low = self.high = self.median

    @property
    def spread(self):
        return (self.high - self.low) / 2 / self.median if self.median else 0.0

    def as_dict(self):
        return {"median": self.median, "quartiles": [self.low, self.high], "samples": self.samples}


def paired_ratio(figures, others):
    """The summary of figure ÷ other of the same round: what slowed a whole round cancels out."""
    return Summary(mine / other for mine, other in zip(figures, others))


def better_peer(medians):
    """The name with the lowest median; None if there is no name."""
    return min(medians, key=medians.get, default=None)
