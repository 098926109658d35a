"""Numbers for tests/loghub.rs: forms of templates and measures of groups, by regular expressions and
sets, written from the papers' descriptions and independently of the Rust code.

    python3 datasets/tests/reference/loghub.py > datasets/tests/reference/loghub.json
"""

import json
import random
import re
from collections import defaultdict

SEPARATORS = r"""([\s,!;:=|"'\[\](){}.\-+@#$%&])"""
JOINED = ["<*>.<*>", "<*><*>", " #<*># ", " #<*> ", "<*>:<*>", "<*>#<*>", "<*>/<*>", "<*>@<*>", "<*>.<*>",
          ' "<*>" ', " '<*>' ", "<*><*>"]


def form(template):
    template = re.sub(r"\s+", " ", template.strip())
    parts = []
    for part in re.split(SEPARATORS, template):
        if re.fullmatch(r"[0-9]+", part) or re.fullmatch(r"[^\s/]*<\*>[^\s/]*", part):
            part = "<*>"
        parts.append(part)
    template = "".join(parts)
    for several in JOINED:
        one = " <*> " if several.startswith(" ") else "<*>"
        while several in template:
            template = template.replace(several, one)
    return template


def groups(keys, truth):
    found = defaultdict(set)
    for line, key in enumerate(keys):
        if truth[line]:
            found[key].add(line)
    return dict(found)


def measures(truth, found, templates):
    of_truth, of_found, of_text = (groups(keys, truth) for keys in (truth, found, templates))
    exact = [group for group in of_found.values() if group in of_truth.values()]
    precision, recall = len(exact) / len(of_found), len(exact) / len(of_truth)
    told = sum({truth[line] for line in group} == {text} for text, group in of_text.items())
    p, r = told / len(of_text), told / len(of_truth)
    return {
        "ga": sum(map(len, exact)) / len(truth),
        "fga": 2 * precision * recall / (precision + recall) if exact else 0.0,
        "pa": sum(a == b for a, b in zip(truth, templates)) / len(truth),
        "fta": 2 * p * r / (p + r) if told else 0.0,
    }


def main():
    draw = random.Random(7)
    pieces = ["<*>", "<*>", "took", "blk_", "12", " ", " ", ".", ":", "/", "#", "@", "-", "'", '"', "=", "[", "]", "x7"]
    templates = ["".join(draw.choices(pieces, k=draw.randrange(1, 14))) for _ in range(400)]
    cases = []
    for _ in range(60):
        lines = draw.randrange(1, 40)
        truth = draw.choices(["a", "b <*>", "c", "d <*> e", ""], weights=[5, 5, 3, 2, 1], k=lines)
        if not any(truth):
            continue
        number = {text: at for at, text in enumerate(sorted(set(truth)))}
        found = [number[text] if draw.random() < 0.9 else draw.randrange(8) for text in truth]
        texts = [text if draw.random() < 0.9 else draw.choice(["c", "z"]) for text in truth]
        case = {"truth": truth, "found": found, "templates": texts}
        cases.append({**case, "measures": measures(truth, found, texts)})
    print(json.dumps({"forms": [[text, form(text)] for text in templates], "cases": cases}, indent=0))


main()
