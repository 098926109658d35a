"""Independent counts over the Nezha data sets, for ../nezha.rs.

Reads every row with Python's csv module and the zstd command, leaves out rows that are in
an earlier file, and prints what a reader has to arrive at.

    python3 nezha_counts.py $THERIAC_DATASETS
"""

import collections
import csv
import glob
import io
import json
import math
import os
import subprocess
import sys

csv.field_size_limit(1 << 30)
ROOT = sys.argv[1]
DAYS = {
    "nezha-trainticket-dev": ["2023-01-29", "2023-01-30"],
    "nezha-onlineboutique-dev": ["2022-08-22", "2022-08-23"],
}


def rows(path):
    text = subprocess.run(["zstd", "-dc", path], capture_output=True, check=True).stdout.decode()
    reader = csv.reader(io.StringIO(text, newline=""))
    header = next(reader)
    for row in reader:
        yield header, row


def unique(name, day, signal):
    """Rows of a signal that no earlier file has."""
    paths = glob.glob(f"{ROOT}/{name}/*/{day}/*_{signal}.csv.zst")
    earlier = set()
    for path in sorted(paths, key=lambda path: (os.path.basename(path), path)):
        own = [tuple(row) for _, row in rows(path)]
        for row in own:
            if row not in earlier:
                yield row
        earlier.update(own)


for name, days in DAYS.items():
    for day in days:
        points, total, pods = 0, collections.Counter(), set()
        path = f"{ROOT}/{name}/metric/{day}_pods.csv.zst"
        for header, row in rows(path) if os.path.exists(path) else []:
            pods.add(row[2])
            for column, text in zip(header[3:], row[3:]):
                if math.isfinite(float(text)):
                    points += 1
                    total[column] += float(text)
        spans, roots, nanoseconds = 0, 0, 0
        for row in unique(name, day, "trace"):
            spans += 1
            roots += row[2] == "root"
            nanoseconds += int(row[6]) - int(row[5])
        logs, unreadable, levels, traces = 0, 0, collections.Counter(), set()
        for row in unique(name, day, "log"):
            try:
                line = json.loads(row[7])["log"]
            except json.JSONDecodeError:
                unreadable += 1
                continue
            logs += 1
            traces.add(row[5])
            try:
                level = json.loads(line)["severity"].upper()
            except (json.JSONDecodeError, TypeError):
                words = line.split()
                level = words[1] if words[0].count(":") == 2 else ""
            levels[level] += 1
        print(
            f"{name} {day}: points {points}, pods {len(pods)}, cpu {total['CpuUsage(m)']:.6f} m, "
            f"memory {total['MemoryUsage(Mi)']:.6f} Mi, spans {spans}, roots {roots}, "
            f"nanoseconds {nanoseconds}, logs {logs}, unreadable {unreadable}, "
            f"traces {len(traces)}, levels {dict(sorted(levels.items()))}"
        )
