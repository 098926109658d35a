"""Passes of Drain3 over the lines of a file: [[lines a second, clusters], ...] as JSON."""

import json
import sys
import time

from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig

MASKS = [
    (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "UUID"),
    (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", "IP"),
    (r"\b0x[0-9a-fA-F]+\b", "HEX"),
    (r"\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?\b", "TIME"),
    (r"\b\d+(?:\.\d+)?\b", "NUM"),
]

config = TemplateMinerConfig()
config.drain_sim_th, config.drain_depth, config.drain_max_children = 0.4, 4, 100
config.mask_prefix, config.mask_suffix = "<", ">"
config.masking_instructions = [MaskingInstruction(pattern, name) for pattern, name in MASKS]
miner = TemplateMiner(config=config)
with open(sys.argv[1], encoding="utf-8") as file:
    lines = file.read().split("\n")
passes = []
for _ in range(int(sys.argv[2])):
    begin = time.process_time()
    for line in lines:
        miner.add_log_message(line)
    passes.append([len(lines) / (time.process_time() - begin), len(miner.drain.clusters)])
print(json.dumps(passes))
