"""Writes peers.json: pip install numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1.

Median and median absolute deviation of scipy.stats, labels of sklearn.cluster.DBSCAN on one
column. Values are on a grid in half of the cases, so that distances equal to `reach` and
border points between two clusters occur.
"""
import json
import pathlib

import numpy
from scipy import stats
from sklearn.cluster import DBSCAN

random = numpy.random.default_rng(11)
cases = []
for case in range(120):
    size = int(random.integers(1, 25))
    values = random.normal(size=size) * 4
    if case % 2:
        values = numpy.round(values)
    reach, core = (float(random.integers(1, 4)), int(random.integers(1, 6)))
    labels = DBSCAN(eps=reach, min_samples=core).fit(values.reshape(-1, 1)).labels_
    cases.append({
        "values": values.tolist(),
        "median": float(numpy.median(values)),
        "mad": float(stats.median_abs_deviation(values, scale="normal")),
        "mean_deviation": float(numpy.abs(values - numpy.median(values)).mean() * numpy.sqrt(numpy.pi / 2)),
        "reach": reach,
        "core": core,
        "labels": labels.tolist(),
    })
pathlib.Path(__file__).with_name("peers.json").write_text(json.dumps(cases) + "\n")
