"""Writes shifts.json: pip install numpy==2.4.6 scipy==1.17.1 river==0.26.1.

page_hinkley: the cumulated deviations from the mean of all values so far less a slack, above their
minimum (Page 1954; Hinkley 1971), no recursion; on deviations that are not standardised river's
PageHinkley has the same sums. event_density: the root of the log-likelihood ratio of
scipy.stats.power_divergence, in ticks of which a weighted share knows,
with a continuity correction of one tick.
"""
import json
import pathlib

import numpy
import scipy.stats
from river.drift import PageHinkley

MEMORY = 128
YOUNG = 20  # Until then standardised values count as 0.
SLACK = 0.25
random = numpy.random.default_rng(17)
values = random.normal(10.0, 2.0, 400)
values[250:300] += 1.0
means = numpy.cumsum(values) / numpy.arange(1, 401)
z = numpy.zeros(400)
for t in range(YOUNG, 400):
    # Mean and variance before the value by weights: the first MEMORY weigh alike, later ones 1/MEMORY.
    weights = numpy.full(t, 1.0 / min(t, MEMORY))
    for i in range(MEMORY, t):
        weights[:i] *= 1 - 1 / MEMORY
        weights[i] = 1 / MEMORY
    mean = numpy.average(values[:t], weights=weights)
    z[t] = (values[t] - means[t]) / numpy.sqrt(numpy.average((values[:t] - mean) ** 2, weights=weights))


def above_minimum(deviations, slack):
    sums = numpy.cumsum(deviations - slack)
    return sums - numpy.minimum.accumulate(numpy.minimum(sums, 0.0))


high, low = above_minimum(z, SLACK), above_minimum(-z, SLACK)
assert max(high.max(), low.max()) < 128.0 and numpy.abs(z).max() < 8
test = PageHinkley(min_instances=1, delta=SLACK, threshold=1e9, alpha=1.0)
for t, value in enumerate(values):
    test.update(value)
    deviations = (values - means)[: t + 1]
    assert numpy.isclose(test._sum_increase - test._min_increase, above_minimum(deviations, SLACK)[-1])
    assert numpy.isclose(test._max_decrease - test._sum_decrease, above_minimum(-deviations, SLACK)[-1])

RECENT, USUAL = MEMORY / 8, MEMORY * 8
# Rests at 5; one tick in twenty is an event, then every second, then none.
chance = numpy.repeat([0.05, 0.5, 0.0], [400, 40, 160])
events = random.uniform(size=600) < chance
events[0] = False
states = numpy.where(events, 5 + random.normal(0, 3, 600), 5.0)
recent, usual, scores, shares = 0.0, 0.0, [], []
for t, event in enumerate(events):
    recent += max(1 / (t + 1), 1 / RECENT) * (event - recent)
    known = min(t, USUAL)
    p = (usual * known + 0.5) / (known + 1)
    n = min(t + 1, 2 * RECENT - 1)
    alone = max(1 / (t + 1), 1 / RECENT)
    q = recent - min(max(recent - p, -alone), alone)  # One event alone says nothing.
    q = min(max(q, 1e-6), 1 - 1e-6)
    deviance = scipy.stats.power_divergence([n * q, n * (1 - q)], [n * p, n * (1 - p)], lambda_="log-likelihood")
    scores.append(float(max(numpy.sqrt(max(deviance.statistic, 0.0)) - 2, 0.0)))  # Chance explains two.
    usual += max(1 / (t + 1), 1 / USUAL) * (event - usual)
    shares.append([recent, usual])
out = {
    "values": values.tolist(),
    "page_hinkley": {"mean": means.tolist(), "high": high.tolist(), "low": low.tolist()},
    "states": states.tolist(),
    "event_density": {
        "recent": [recent for recent, _ in shares],
        "usual": [usual for _, usual in shares],
        "score": scores,
    },
}
pathlib.Path(__file__).with_name("shifts.json").write_text(json.dumps(out, indent=1) + "\n")
