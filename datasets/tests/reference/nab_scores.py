"""Scores that datasets/tests/nab.rs compares with: the rules of the benchmark, row by row.

Run: THERIAC_DATASETS=<folder that holds nab/> python3 nab_scores.py
Standard library only. Nothing is shared with the Rust program: each threshold is scored
from nothing (no sweep), and the scores of the detectors come from integers alone.
"""

import csv
import json
import math
import os

PROFILES = [("standard", 1.0, 0.11, 1.0), ("low_fp", 1.0, 0.22, 1.0), ("low_fn", 1.0, 0.11, 2.0)]
MASK = (1 << 64) - 1


def sigmoid(x):
    return -1.0 if x > 3.0 else 2.0 / (1.0 + math.exp(5.0 * x)) - 1.0


def splitmix(state):
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return state, z ^ (z >> 31)


def random_scores(seed, rows):
    """Score k/16 where k = trailing zeros of a 64-bit draw, at most 16: many ties, few high."""
    state, out = seed, []
    for _ in range(rows):
        state, z = splitmix(state)
        k = 0
        while k < 16 and not z & 1:
            z, k = z >> 1, k + 1
        out.append(k / 16)
    return out


def raw_score(files, threshold, a_tp, a_fp, a_fn, scores):
    total = 0.0
    for (name, rows, windows), s in zip(files, scores):
        probation = min(math.floor(0.15 * rows), 750)
        for l, r in windows:
            hits = [i for i in range(max(l, probation), r + 1) if s[i] >= threshold]
            if hits:
                first = hits[0]
                total += a_tp * sigmoid(-(r - first + 1) / (r - l + 1)) / sigmoid(-1.0)
            else:
                total -= a_fn
        for i in range(probation, rows):
            if s[i] < threshold or any(l <= i <= r for l, r in windows):
                continue
            before = [(l, r) for l, r in windows if r < i]
            if before:
                l, r = before[-1]
                total += a_fp * sigmoid((i - r) / (r - l))
            else:
                total -= a_fp
    return total


def best(files, scores, a_tp, a_fp, a_fn):
    levels = sorted({v for (n, rows, w), s in zip(files, scores) for v in s[min(math.floor(0.15 * rows), 750):]})
    found = (raw_score(files, 1.1, a_tp, a_fp, a_fn, scores), 1.1)
    for threshold in reversed(levels):
        raw = raw_score(files, threshold, a_tp, a_fp, a_fn, scores)
        if raw > found[0]:
            found = (raw, threshold)
    return found


def normalised(files, raw, a_tp, a_fn):
    n = sum(len(w) for _, _, w in files)
    return 100.0 * (raw + a_fn * n) / (a_tp * n + a_fn * n)


def corpus():
    root = os.path.join(os.environ["THERIAC_DATASETS"], "nab")
    with open(os.path.join(root, "labels", "combined_windows.json")) as f:
        labels = json.load(f)
    files = []
    for name in sorted(labels):
        with open(os.path.join(root, "data", name), newline="") as f:
            times = [row["timestamp"] for row in csv.DictReader(f)]
        index = lambda text: times.index(text.split(".")[0])
        files.append((name, len(times), [(index(a), index(b)) for a, b in labels[name]]))
    return files


def labelled_instants(files):
    """1 at the first row of each labelled instant, else 0."""
    root = os.path.join(os.environ["THERIAC_DATASETS"], "nab")
    with open(os.path.join(root, "labels", "combined_labels.json")) as f:
        labels = json.load(f)
    scores = []
    for name, rows, _ in files:
        with open(os.path.join(root, "data", name), newline="") as f:
            times = [row["timestamp"] for row in csv.DictReader(f)]
        at = {times.index(text.split(".")[0]) for text in labels[name]}
        scores.append([float(i in at) for i in range(rows)])
    return scores


def report(title, files, scores, fixed):
    print(title)
    for name, a_tp, a_fp, a_fn in PROFILES:
        raw, threshold = best(files, scores, a_tp, a_fp, a_fn)
        at = raw_score(files, fixed, a_tp, a_fp, a_fn, scores)
        print(f"  {name}: threshold {threshold} raw {raw:.9f} score {normalised(files, raw, a_tp, a_fn):.9f}"
              f"  at {fixed}: {normalised(files, at, a_tp, a_fn):.9f}")
        lost = 0.0
        groups = sorted({n.split("/")[0] for n, _, _ in files})
        for group in groups if len(groups) > 1 else []:
            inside = [n.split("/")[0] == group for n, _, _ in files]
            pick = lambda seq, want: [x for x, i in zip(seq, inside) if i == want]
            _, t = best(pick(files, False), pick(scores, False), a_tp, a_fp, a_fn)
            lost += raw_score(pick(files, True), t, a_tp, a_fp, a_fn, pick(scores, True))
        if len(groups) > 1:
            print(f"    leave one category out: {normalised(files, lost, a_tp, a_fn):.9f}")


def hand_made():
    files = [("a/one", 100, [(40, 49), (70, 79)]), ("b/two", 60, []), ("b/three", 10000, [(800, 999)])]
    s = [[0.0] * rows for _, rows, _ in files]
    s[0][3] = 1.0  # probation
    s[0][20] = 0.5  # before the first window
    s[0][40] = 0.9  # first row of a window
    s[0][41] = 1.0  # later and higher
    s[0][50] = 0.8  # just after it
    s[0][54] = 0.7
    s[0][79] = 0.6  # last row of a window
    s[0][99] = 0.6  # long after it
    s[1][30] = 0.4
    s[2][749] = 1.0  # last row of the probation
    s[2][900] = 0.6
    s[2][9999] = 0.3
    return files, s


if __name__ == "__main__":
    report("hand made", *hand_made(), 0.5)
    files = corpus()
    report("labelled instants", files, labelled_instants(files), 1.0)
    for seed in (1, 2):
        scores = [random_scores(seed * 1000 + k, rows) for k, (_, rows, _) in enumerate(files)]
        report(f"random, seed {seed}", files, scores, 0.625)
