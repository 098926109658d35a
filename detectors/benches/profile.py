"""Left matrix profile: values per second here and in stumpy.stumpi, alternately, one thread.

pip install stumpy==1.14.1; NUMBA_NUM_THREADS=1 python detectors/benches/profile.py
prints the median of three ratios for each window and history, with all of them.
"""
import statistics
import subprocess
import sys
import time

# The folder of this file holds another `profile` than the one of the standard library.
sys.path.pop(0)
import numpy
import stumpy

VALUES = 1_000


def theirs(window, history):
    random = numpy.random.default_rng(1)
    stream = stumpy.stumpi(random.normal(size=history), m=window, egress=True)
    values = random.normal(size=VALUES + 50)
    for value in values[:50]:
        stream.update(value)
    begin = time.perf_counter()
    for value in values[50:]:
        stream.update(value)
    return VALUES / (time.perf_counter() - begin)


ratios = {}
for _ in range(3):
    command = ["cargo", "bench", "-q", "-p", "theriac-detectors", "--bench", "profile"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
    for window, history, ours in (map(float, line.split()) for line in lines if line):
        peer = theirs(int(window), int(history))
        ratios.setdefault((int(window), int(history)), []).append(ours / peer)
        print(f"window {window:.0f}, history {history:.0f}: {ours:.0f} against {peer:.0f} values/s", flush=True)
for key, values in ratios.items():
    print(key, f"{statistics.median(values):.1f} times", [f"{x:.1f}" for x in values])
