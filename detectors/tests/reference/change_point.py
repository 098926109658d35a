"""Writes change_point.json: pip install numpy==2.4.6 scipy==1.17.1 bayesian_changepoint_detection==0.2.dev1.

package: the exact run lengths of bayesian_changepoint_detection, none of them merged, under one
prior. standardised: the model written out once more, with scipy's Student t over the
values of each run, the unit of the first values and the prior of the newest.
"""
import json
import pathlib

import numpy
from bayesian_changepoint_detection import online_changepoint_detection as online
from scipy import stats

RECENT, MEAN_RUN, WEIGHT, SHAPE = 8, 256.0, 0.1, 1.0
random = numpy.random.default_rng(6)
values = random.normal(size=400)
values[120:200] += 3.0
values[200:260] *= 4.0
values[300] = 9.0
values[340:] = random.normal(0.5, 0.1, size=60)


def unbroken(data):
    """Probability that the run has lasted RECENT values, after each value."""
    table, _ = online.online_changepoint_detection(
        data,
        lambda lengths: online.constant_hazard(MEAN_RUN, lengths),
        online.StudentT(SHAPE, SHAPE, WEIGHT, 0.0),
    )
    return table[RECENT:, 1:].sum(axis=0)


def unit(data):
    """Median and robust deviation."""
    origin = numpy.median(data)
    length = stats.median_abs_deviation(data, scale="normal")
    if length == 0:
        length = numpy.mean(abs(data - origin)) * numpy.sqrt(numpy.pi / 2)
    return origin, length or abs(origin) or 1.0


def standardised(data):
    origin, length = unit(data[:32])
    z = (data - origin) / length
    probabilities, mean, deviation, scores = numpy.ones(1), 0.0, 1.0, []
    for n, x in enumerate(z):
        if n % 32 == 0 and n > 0:
            mean, deviation = unit(z[max(n - 128, 0):n])
        densities = numpy.empty(n + 1)
        for r in range(n + 1):
            run = z[n - r:n]
            weight, shape = WEIGHT + r, SHAPE + r / 2
            average = run.mean() if r else mean
            location = (WEIGHT * mean + r * average) / weight
            scale = SHAPE * deviation**2 + ((run - average) ** 2).sum() / 2
            scale += WEIGHT * r * (average - mean) ** 2 / (2 * weight)
            spread = numpy.sqrt(scale * (weight + 1) / (shape * weight))
            densities[r] = stats.t.pdf(x, 2 * shape, location, spread)
        joint = probabilities * densities
        joint /= joint.sum()
        probabilities = numpy.concatenate([[1 / MEAN_RUN], joint * (1 - 1 / MEAN_RUN)])
        lasted, before = probabilities[RECENT:].sum(), (1 - 1 / MEAN_RUN) ** RECENT
        evidence = numpy.log((1 - lasted) / lasted * before / (1 - before)) if n >= 128 else None
        scores.append(evidence and max(evidence, 0.0))
    return scores


scaled = 5e3 + 20 * values
pathlib.Path(__file__).with_name("change_point.json").write_text(json.dumps({
    "package": {"values": values.tolist(), "unbroken": unbroken(values).tolist()},
    "standardised": {"values": scaled.tolist(), "scores": standardised(scaled)},
}) + "\n")
