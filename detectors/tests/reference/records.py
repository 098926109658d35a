"""Writes reference numbers for `records.rs`: the detector once more, row by row in plain numpy, in double precision
and with nothing shared with the program but its description. Takes some minutes; `pip install numpy`.

    python3 records.py > records.json
"""
import json
import numpy as np

BLOCKS = 32
MIN_ROWS = 128
RANK = 2
CAP = 1.0
THRESHOLD = 2.0
QUIET, QUIET_MIN = 1 / 64, 8
FATIGUE, MEMORY = 0.25, 0.25
SLOTS, GAIN = 48, 0.25
SLOW = 8
WINDOWS = [1, 4, 16, 64]
FAMILIES = ["high", "low", "jump", "season", "drift", "spread", "rough", "calm"]
DAY = 86400.0


def gumbel(p):
    return -np.log(-np.log(p))


def mean(x):
    return sum(x) / len(x)


def run(values, times):
    """Evidence, alert and lasting score of each row. Windows are cut out of the whole past each time: slow, but plain."""
    evidence, alerts, lasting = np.zeros(len(values)), [], np.zeros(len(values))
    sample, stride, passed = [], 1, 0
    low, high, median, scale = np.inf, -np.inf, 0.0, 0.0
    levels, days = np.zeros((2, SLOTS)), np.zeros(SLOTS)
    sums, count, slot = np.zeros(2), 0, -1
    signals, steps, residuals = [[], []], [[], []], [[], []]
    slow, errors = np.zeros((2, 4)), [[[] for _ in WINDOWS] for _ in range(2)]
    members = [(a, f, w) for a in range(2) for f in range(8) for w in range(4)]
    maxima, current = [], {m: -np.inf for m in members}
    reference, middle, decades = {}, {}, {}
    length, filled = 1, 0
    rows, last_above, remembered, hold = 0, -np.inf, 0.0, 0.0
    for i, (value, time) in enumerate(zip(values, times)):
        if value != value:
            lasting[i] = hold
            continue
        low, high = min(low, value), max(high, value)
        passed += 1
        if passed == stride:
            passed = 0
            sample.append(value)
            if len(sample) == 128:
                sample, stride = sample[1::2], stride * 2
            o, m = sorted(sample), len(sample)
            median = o[m // 2]
            scale = (o[int(0.9 * (m - 1) + 0.5)] - o[int(0.1 * (m - 1) + 0.5)]) / 2.56
        s = max(scale, 1e-3 * (high - low))
        s = s if s > 0 else 1e-9 * abs(high) + 1e-300
        now = np.array([value, np.arcsinh((value - median) / s)])
        span = [high - low, 2 * np.arcsinh(0.5 * (high - low) / s)]

        phase = (time % DAY) / DAY * SLOTS
        k = int(phase) % SLOTS
        seasonal = days[k] > 0
        if seasonal:
            off = phase - int(phase) - 0.5
            beside = (k + (1 if off > 0 else SLOTS - 1)) % SLOTS
            beside = beside if days[beside] > 0 else k
            for a in range(2):
                residuals[a].append(now[a] - (levels[a, k] * (1 - abs(off)) + levels[a, beside] * abs(off)))
        if k != slot:
            if count:
                days[slot] += 1
                for a in range(2):
                    d = sums[a] / count - levels[a, slot]
                    bound = reference.get((a, 3, 0), np.inf)
                    d = min(max(d, -bound), bound) if days[slot] > 1 else d
                    levels[a, slot] += d * max(1 / days[slot], GAIN)
            sums, count, slot = np.zeros(2), 0, k
        sums, count = sums + now, count + 1

        for a in range(2):
            steps[a].append(abs(now[a] - signals[a][-1]) if rows else 0.0)
            signals[a].append(now[a])
            for w, n in enumerate(WINDOWS):
                slow[a, w] = slow[a, w] if rows else now[a]
                error = now[a] - slow[a, w]
                slow[a, w] += error * max(1 / (rows + 1), 1 / (SLOW * n))
                errors[a][w].append(error)
        rows += 1

        statistic = {}
        for a in range(2):
            for w, n in enumerate(WINDOWS):
                if rows >= n:
                    m = mean(signals[a][-n:])
                    statistic[a, 0, w], statistic[a, 1, w] = m, -m
                    statistic[a, 4, w] = abs(mean(errors[a][w][-n:]))
                if rows >= 2 * n:
                    wide = np.array(signals[a][-2 * n:])
                    deviation = np.sqrt(max(np.mean((wide - wide.mean()) ** 2), 0))
                    statistic[a, 2, w] = abs(mean(signals[a][-n:]) - mean(signals[a][-2 * n:-n]))
                    statistic[a, 5, w] = deviation
                    statistic[a, 6, w] = mean(steps[a][-2 * n:])
                    statistic[a, 7, w] = -np.log(deviation + 1e-3 * span[a] + 1e-300)
                if seasonal and len(residuals[a]) >= n:
                    statistic[a, 3, w] = abs(mean(residuals[a][-n:]))

        total = 0.0
        if rows >= MIN_ROWS:
            for f in range(8):
                for w in range(4):
                    best = 0.0
                    for a in range(2):
                        m = (a, f, w)
                        if m in reference and statistic.get(m, -np.inf) > reference[m]:
                            floor = 0.1 if f == 7 else max(0.01 * span[a], 1e-12 * abs(now[a]) + 1e-300)
                            unit = max(reference[m] - middle[m], floor)
                            best = max(best, min((statistic[m] - reference[m]) / unit * decades[m], CAP))
                    total += best
        evidence[i] = total

        for m, x in statistic.items():
            current[m] = max(current[m], x)
        filled += 1
        if filled == length:
            maxima.append(current)
            current, filled = {m: -np.inf for m in members}, 0
            if len(maxima) == BLOCKS:
                pairs = zip(maxima[::2], maxima[1::2])
                maxima, length = [{m: max(x[m], y[m]) for m in members} for x, y in pairs], length * 2
            if rows >= MIN_ROWS // 2 and len(maxima) >= 8:
                for m in members:
                    o = sorted(x[m] for x in maxima if x[m] > -np.inf)
                    r = len(o)
                    if r >= 8:
                        c = (r - 1) // 2
                        reference[m], middle[m] = o[r - RANK], o[c]
                        decades[m] = (gumbel((r - RANK + 0.5) / r) - gumbel((c + 0.5) / r)) / np.log(10)

        remembered *= 1 - 1 / (MEMORY * rows + 1)
        if total >= THRESHOLD * (1 + FATIGUE * remembered):
            if rows - last_above > max(QUIET_MIN, QUIET * rows):
                alerts.append(i)
                remembered += 1
            last_above = rows
        hold = max(total, hold * (1 - 1 / (QUIET * rows + QUIET_MIN)))
        lasting[i] = hold
    return evidence, alerts, lasting


def uniform(n, seed):
    """The 64-bit generator that the test has too, so that both make the same series bit for bit."""
    out = []
    for _ in range(n):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((seed >> 40) / 2**24)
    return np.array(out)


def series():
    n = 3000
    day = np.where((np.arange(n) % 288) < 144, 10.0, 20.0)
    daily = day + uniform(n, 1)
    spike = day + uniform(n, 2)
    spike[2000:2010] += 15.0
    level = 5 + uniform(n, 3)
    level[1800:] += 3.0
    flat = 5 + uniform(n, 4)
    flat[2200:2400] = flat[2199]
    constant = np.full(n, 7.0)
    constant[2500] = 7.5
    heavy = uniform(n, 6) ** 8 * 100
    heavy[1500:1504] = np.nan
    offset = 1e9 + uniform(n, 7)
    offset[2300:] -= 2.0
    return dict(daily=daily, spike=spike, level=level, flat=flat, constant=constant, heavy=heavy, offset=offset)


if __name__ == "__main__":
    out = {}
    for name, values in series().items():
        evidence, alerts, lasting = run(values, np.arange(len(values)) * 300.0)
        at = [500, 1000, 1501, 1800, 1810, 2000, 2005, 2250, 2300, 2320, 2500, 2999]
        out[name] = dict(alerts=alerts, evidence_sum=evidence.sum(), lasting_sum=lasting.sum(),
                         at=[[row, evidence[row], lasting[row]] for row in at])
    print(json.dumps(out, indent=1))
