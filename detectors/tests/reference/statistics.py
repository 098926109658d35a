"""Writes statistics.json: pip install numpy==2.4.6.

cusum: Page's sums by the reflection formula, C - min(0, min C), no recursion. variance: the
exponential weights written out. extreme: numpy's accumulated minimum and maximum. Mean and
variance before each value by weights: the first MEMORY values weigh alike, later ones 1/MEMORY.
"""
import json
import pathlib

import numpy

MEMORY = 128
YOUNG = 20  # Until then standardised values count as 0, their squares as 1.
FAST = MEMORY / 16
random = numpy.random.default_rng(5)
values = random.normal(10.0, 2.0, 400)
values[250:300] += 2.0
z = numpy.zeros(len(values))
for t in range(YOUNG, len(values)):
    head = min(t, MEMORY)
    weights = numpy.full(t, 1.0 / head)
    for i in range(MEMORY, t):
        weights[:i] *= 1 - 1 / MEMORY
        weights[i] = 1 / MEMORY
    mean = numpy.average(values[:t], weights=weights)
    z[t] = (values[t] - mean) / numpy.sqrt(numpy.average((values[:t] - mean) ** 2, weights=weights))
assert numpy.abs(z[YOUNG:]).max() < 4.0  # Nothing is bounded or tempered.


def page(z):
    sums = numpy.cumsum(numpy.where(numpy.arange(len(z)) < YOUNG, 0.0, z) - 0.5)
    return sums - numpy.minimum.accumulate(numpy.minimum(sums, 0.0))


high, low = page(z), page(-z)
assert max(high.max(), low.max()) < 32.0
energy = numpy.ones(len(values))
for t in range(YOUNG, len(values)):
    ages = numpy.arange(t - YOUNG, -1, -1)
    weights = (1 - 1 / FAST) ** ages / FAST
    energy[t] = weights @ z[YOUNG : t + 1] ** 2 + (1 - 1 / FAST) ** (t - YOUNG + 1)
out = {
    "values": values.tolist(),
    "cusum": {"high": high.tolist(), "low": low.tolist()},
    "variance": {"energy": energy.tolist()},
    "extreme": {
        "lowest": numpy.minimum.accumulate(values).tolist(),
        "highest": numpy.maximum.accumulate(values).tolist(),
    },
}
pathlib.Path(__file__).with_name("statistics.json").write_text(json.dumps(out, indent=1) + "\n")
