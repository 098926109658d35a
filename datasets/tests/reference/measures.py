"""Writes measures.json, which datasets/tests/measures.rs compares with: labels, scores and what TSB-AD 1.5 (its
`evaluation` package, with scikit-learn 1.9 and statsmodels 0.15) and SciPy 1.17 make of them.

Run: pip install numpy scipy scikit-learn pandas statsmodels && pip install --no-deps TSB-AD==1.5
     python3 measures.py > measures.json
All numbers are synthetic; nothing comes from a data set.
"""

import json
import warnings

import numpy as np
from scipy.stats import binomtest
from TSB_AD.evaluation.basic_metrics import basic_metricor, generate_curve
from TSB_AD.utils.slidingWindows import find_length_rank

warnings.filterwarnings("ignore")


def labels_of(rows, segments):
    labels = np.zeros(rows, int)
    for first, last in segments:
        labels[first : last + 1] = 1
    return labels


def case(name, rows, segments, window, scores):
    labels = labels_of(rows, segments)
    scores = np.round(np.asarray(scores, float), 6)
    grader = basic_metricor()
    curve = generate_curve(labels, scores, window, version="opt", thre=250)
    return {
        "name": name,
        "segments": segments,
        "window": window,
        "scores": scores.tolist(),
        "measures": {
            "vus_pr": curve[-1],
            "vus_roc": curve[-2],
            "auc_pr": grader.metric_PR(labels, scores),
            "auc_roc": grader.metric_ROC(labels, scores),
            "f1": grader.metric_PointF1(labels, scores),
            "event_f1": grader.metric_EventF1PA(labels, scores),
            "range_f1": grader.metric_RF1(labels, scores),
            "affiliation_f": grader.metric_Affiliation(labels, scores),
        },
    }


def held(random, rows, segments, lag, decay):
    """A score that rises some rows after an anomaly begins, and decays."""
    scores, level = np.zeros(rows), 0.0
    starts = {first + lag for first, _ in segments}
    for row in range(rows):
        hit = 1.0 if row in starts or random.random() < 0.004 else 0.0
        level = max(hit * random.random(), level * decay)
        scores[row] = level
    return scores


def cases():
    random = np.random.default_rng(20261124)
    far = [(40, 59), (150, 152), (260, 300)]
    near = [(30, 34), (38, 38), (45, 60), (200, 219)]
    edges = [(0, 9), (120, 124), (390, 399)]
    yield case("noise, segments far apart", 400, far, 20, random.normal(size=400) + 1.5 * labels_of(400, far))
    yield case("buffers that overlap", 300, near, 41, random.normal(size=300) + 0.8 * labels_of(300, near))
    yield case("segments at both ends", 400, edges, 30, random.normal(size=400) + labels_of(400, edges))
    yield case("a score that lasts", 900, [(100, 160), (500, 540), (700, 702)], 64,
               held(random, 900, [(100, 160), (500, 540), (700, 702)], 3, 0.97))
    yield case("many ties", 500, far, 15, random.integers(0, 4, 500) + 2 * labels_of(500, far) * random.integers(0, 2, 500))
    yield case("fewer rows than thresholds", 60, [(20, 24)], 8, random.random(60))
    yield case("one row labelled", 350, [(200, 200)], 50, random.random(350))
    yield case("worse than chance", 400, far, 25, random.normal(size=400) - 2.0 * labels_of(400, far))


def periods():
    random = np.random.default_rng(7)
    rows = np.arange(3000)
    for name, values in [
        ("a period of 48", np.sin(2 * np.pi * rows / 48) + 0.1 * random.normal(size=3000)),
        ("two periods", np.sin(2 * np.pi * rows / 24) + 2 * np.sin(2 * np.pi * rows / 150) + 0.1 * random.normal(size=3000)),
        ("a period beyond reach", np.sin(2 * np.pi * rows / 350) + 0.001 * np.cos(rows)),
        ("noise", random.normal(size=600)),
        ("constant", np.full(500, 3.0)),
        ("fewer rows than lags", np.sin(2 * np.pi * np.arange(90) / 20)),
    ]:
        values = np.round(values, 6)[:800]
        yield {"name": name, "values": values.tolist(), "window": int(find_length_rank(values))}


if __name__ == "__main__":
    signs = [[better, worse, binomtest(better, better + worse).pvalue if better + worse else 1.0]
             for better, worse in [(0, 0), (1, 0), (5, 5), (8, 2), (0, 12), (37, 21), (400, 460)]]
    print(json.dumps({"cases": list(cases()), "periods": list(periods()), "signs": signs}))
