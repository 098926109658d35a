"""Makes a small seed corpus by hand for each target under corpus/ (Python standard library,
zstd on the path; Parquet seeds are the connectors' fixtures)."""

import gzip
import pathlib
import subprocess

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent.parent / "connectors" / "tests" / "fixtures"

CSV = [
    b"time,host,cpu,note\n2026-01-01 00:00:00,a,0.5,\"x, \"\"y\"\"\"\n2026-01-01 00:01:00,b,,\"a\nb\"\n",
    b"timestamp;service;metric;value;unit\n1;cart;cpu;0.5;1\n2;cart;cpu;x;1\n",
    b"0.5\t1\n0.25\t2\n",
    b"\xef\xbb\xbfts,level,pod,message\r\n1700000000000,WARN,p,disk\r\n",
    b"a,\"never closed\n1,2\n",
]
JSON = [
    b'{"time":1,"name":"cpu","value":0.5,"labels":{"core":"0"},"resource":{"service.name":"cart"}}\n',
    b'{"@timestamp":"1970-01-01T00:00:02Z","level":"error","msg":"no","service":"cart","extra":[1,{"a":null}]}\n',
    b'{"trace_id":"7c1a","span_id":"a1","parent_id":null,"name":"GET","start":3,"duration_ms":1.5,"status":"ERROR"}\n',
    b'[\n {\n  "ts": 1,\n  "metric": "x",\n  "val": null\n }\n]\n',
]
TEXT = [
    b"2026-01-01 00:00:00,123 [main] ERROR out of memory\r\n  at frame\n",
    b"[2026-01-01T00:00:00Z] info ok\n1700000000.5 x\n\xff\xfe\n",
    b"no time at all\n",
]
OTLP = [(FIXTURES / name).read_bytes() for name in ("otlp.jsonl", "otlp_named_enums.jsonl", "otlp_pretty.json")]
PARQUET = [(FIXTURES / name).read_bytes() for name in ("wide.parquet", "dictionary.parquet")]


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def main():
    plain = CSV + JSON + TEXT + OTLP[:1]
    packed = [pack(data) for data in plain for pack in (lambda d: gzip.compress(d, mtime=0), zstd)]
    packed += [gzip.compress(CSV[0], mtime=0) + gzip.compress(CSV[1], mtime=0), zstd(CSV[0]) + zstd(CSV[1]), packed[0][:20]]
    seeds = {"csv": CSV, "json_lines": JSON, "otlp_json": OTLP + OTLP[0].splitlines(True), "parquet": PARQUET,
             "text": TEXT, "compressed": packed}
    for target, entries in seeds.items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, entry in enumerate(entries):
            (folder / f"seed-{number}").write_bytes(entry)


main()
