"""NAB's own scorer on the result files of a detector, beside the figures that theriac wrote next to them.

Called by `run-nab`. Of NAB's checkout nothing but its code and `config/profiles.json` is used, as `run.py --optimize --score
--normalize` uses it, on a copy of the result files: the scorer adds columns to them. The baseline is the detector `null`,
which says 0.5 of every row.
"""
import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile

import pandas

# Profile of NAB, and the figures of `theriac eval nab` that are its score and its threshold.
PROFILES = {
    "standard": "nab.standard",
    "reward_low_FP_rate": "nab.reward_low_fp_rate",
    "reward_low_FN_rate": "nab.reward_low_fn_rate",
}


def write_null(results, detector, scratch):
    """The result files of `null`, after those of the detector."""
    for folder, _, files in os.walk(os.path.join(results, detector)):
        category = os.path.basename(folder)
        for name in files:
            rows = pandas.read_csv(os.path.join(folder, name))
            rows["anomaly_score"] = 0.5
            os.makedirs(os.path.join(scratch, "null", category), exist_ok=True)
            to = name.replace(f"{detector}_", "null_", 1)
            rows.to_csv(os.path.join(scratch, "null", category, to), index=False)


def official(nab, data, results, detector):
    """Score of each profile, normalised, and its threshold."""
    sys.path.insert(0, os.path.abspath(nab))
    from nab.runner import Runner

    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(os.path.join(results, detector), os.path.join(scratch, detector))
        write_null(results, detector, scratch)
        runner = Runner(
            dataDir=os.path.join(os.path.abspath(data), "data"),
            resultsDir=scratch,
            labelPath=os.path.join(os.path.abspath(data), "labels", "combined_windows.json"),
            profilesPath=os.path.join(os.path.abspath(nab), "config", "profiles.json"),
            thresholdPath=os.path.join(scratch, "thresholds.json"),
        )
        with contextlib.redirect_stdout(io.StringIO()):
            runner.initialize()
            thresholds = runner.optimize(["null", detector])
            runner.score(["null", detector], thresholds)
            runner.normalize()
        with open(os.path.join(scratch, "final_results.json")) as file:
            scores = json.load(file)[detector]
    return {name: (scores[name], thresholds[detector][name]["threshold"]) for name in PROFILES}


def main():
    parser = argparse.ArgumentParser()
    for name in ("nab", "data", "results", "detector"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    with open(os.path.join(arguments.results, "figures.json")) as file:
        figures = json.load(file)
    figures = figures.get("metrics", figures)
    found = official(arguments.nab, arguments.data, arguments.results, arguments.detector)
    print(f"{'profile':<20} {'NAB':>12} {'theriac':>12}   threshold of NAB, of theriac")
    same = True
    for profile, (score, threshold) in found.items():
        ours, own = figures[PROFILES[profile]], figures[f"{PROFILES[profile]}.threshold"]
        same &= abs(score - ours) < 0.5e-4
        print(f"{profile:<20} {score:>12.6f} {ours:>12.6f}   {threshold}, {own}")
    if not same:
        sys.exit("the figures differ")


if __name__ == "__main__":
    main()
