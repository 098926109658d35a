"""Makes a small seed corpus by hand for each target under corpus/ (Python standard library,
zstd on the path; Parquet seeds are the connectors' fixtures)."""

import gzip
import json
import pathlib
import re
import struct
import subprocess

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
FIXTURES = ROOT / "connectors" / "tests" / "fixtures"

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
LINES = [
    b"session opened for user ann by (uid=0)\nsession opened for user bob by (uid=1)\nsession opened for user cid by (uid=2)\n",
    b"took 12 ms for /a/b from 10.0.0.7:80 0x1f blk_-12\nFri Jul  1 07:57:30 2005 2026-11-29T10:00:00Z a=\"b c\" {\"k\":\"v\"}\n",
    b"ERROR a\njava.io.E: b\n\tat c\nCaused by: d\nTraceback (most recent call last):\n  x\nValueError: y\n",
]
EXPORTED = (
    b'{"version":1,"settings":{"templates_max":8,"patterns_max":24,"line_bytes_max":200,"tokens_max":40},"lines":1,'
    b'"changes":1,"next_id":1,"shed":{"templates":0,"long_lines":0},"aliases":[],"templates":[{"id":0,"lines":1,'
    b'"latest":1,"layouts":[]}],"patterns":[{"program":0,"words":["a",null],"slot":0,"opened":false}]}'
)
# What is wrong with any input, whatever it should be.
WRONG = [b"", b"\x00", b"\xff\xfet\x00i\x00m\x00e\x00\n\x00", b"\xef\xbb\xbf", b"x" * 5000, b"\n" * 64, b"[" * 400, b'{"a":' * 200]
OTLP = [(FIXTURES / name).read_bytes() for name in ("otlp.jsonl", "otlp_named_enums.jsonl", "otlp_pretty.json")]
PARQUET = [(FIXTURES / name).read_bytes() for name in ("wide.parquet", "dictionary.parquet")]



def field(number, value):
    """A field of a protobuf message: bytes, a double, or a small number."""
    if isinstance(value, float):
        return bytes([number << 3 | 1]) + struct.pack("<d", value)
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def label(name, value):
    return field(1, field(1, name) + field(2, value))


OTLP_PROTO = [(FIXTURES / f"otlp_{signal}.binpb").read_bytes() for signal in ("metrics", "logs", "spans")]
SPANS = field(11, field(1, 2) + field(2, 2)) + field(11, field(1, 4) + field(2, 1))
NATIVE = field(1, 9) + field(3, 5.5) + field(4, 2) + field(6, 1) + SPANS + field(12, b"\x02\x02\x01") + field(15, 7)
CUSTOM = field(1, 3) + field(4, 105) + field(11, field(2, 2)) + field(13, struct.pack("<2d", 1, 2)) + field(15, 7)
CUSTOM += field(16, struct.pack("<d", 0.5))
SAMPLES = field(2, field(1, 0.5) + field(2, 1)) + field(2, field(2, 2))
REMOTE_WRITE = [
    field(1, label(b"__name__", b"a_total") + label(b"job", b"shop/cart") + SAMPLES) + field(1, label(b"__name__", b"b")),
    field(1, label(b"__name__", b"h") + field(4, NATIVE)),
    b"".join(field(4, text) for text in (b"", b"__name__", b"up", b"instance", b"x"))
    + field(5, field(1, b"\1\2\3\4") + SAMPLES + field(5, field(1, 1) + field(4, 4)))
    + field(5, field(1, b"\1\2") + field(3, CUSTOM)),
] + [(FIXTURES / f"remote_write_{version}.snappy").read_bytes() for version in (1, 2)]

# Damages of true files: see src/topics.rs and src/state.rs.
DAMAGES = [bytes(range(start, start + 20)) for start in (0, 40, 80, 120, 160, 200)]
COMMIT = {
    "transaction": 1,
    "partitions": {"symptoms/0": {"start": 0, "end": 1, "segments": [{"base": 0, "bytes": 48, "newest": "1970-01-01T00:00:01.000000000Z"}]}},
    "positions": {"reader": {"symptoms/0": 1}},
}
FRAME = b"\x20" + (0).to_bytes(8, "little") + (1).to_bytes(8, "little") + b"\x01\0\0\0k" + b"\0\0\0\0" + b"payload"

AT = "1970-01-01T00:00:01Z"
FACTS = [
    {"fact": "configuration_loaded", "configuration": "c", "policy": "p"},
    {"fact": "entity_seen", "entity": "cart/cart-1"},
    {"fact": "edge_seen", "from": "cart", "to": "db", "kind": "calls"},
    {"fact": "changed", "change": {"at": AT, "entity": "cart", "kind": "deploy", "from": "1", "to": "2", "description": ""}},
    {"fact": "verified", "plan": "p", "incident": "i", "fault": "leak", "strategy": "restart", "service": "cart",
     "verdict": "recovered", "learn": True},
    {"fact": "rolled_back", "to": 2, "reason": "bad"},
    {"fact": "incident_ended", "incident": "i", "cause": None, "fault": "leak", "resolved": True},
]
LEDGER = [
    {"entry": "begun", "key": "k", "attempt": 1, "target": "a", "token": 1},
    {"entry": "ended", "key": "k", "attempt": 1, "verdict": {"verdict": "failed", "retryable": True}, "detail": ""},
]
YAML = [
    b"monitor: {step: 10s, lateness: 5s, series_max: 10}\ndetect: {open_p: 1.0e-6, lost_after: 1m}\nplan: {dry_run: false, act_on: [cart]}\n",
    b"fsync: 5s\nsegment_bytes: 1000\npartitions: 2\ntopics: {journal: {partitions: 1, retention_age: 1d}}\n",
    b"executors:\n  hooks: {kind: webhook, url: 'http://a/', secret: {environment: S}}\n  local: {kind: command, programs: {restart: {program: /bin/true, arguments: ['{target}']}}}\n"
    b"routes:\n  - {verb: restart, target: 'cart*', executor: local}\nledger: l\npool: {workers: 2}\n",
    b"name: x\npath: [a, b]\nformat: csv\nresource: {a: 1, b: [x]}\nstep: 1m\nstart: 2026-01-01 00:00:00\ndelimiter: ';'\nentity: {svc: service.name}\n",
    b"interval: 1s\nhost_name: h\ncores_max: 4\n",
    b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
    b"playbooks:\n  - fault: leak\n    strategies:\n      - name: restart\n        requires: [instance]\n        cost: 1\n        risk: 0.1\n        prior: {successes: 1, failures: 1}\n"
    b"        stages:\n          - name: one\n            steps:\n              - {verb: restart, target: cause, parameters: {a: '{cause}'}, timeout: 1m, retry: {attempts: 2}}\n",
]
NAB = [
    b"timestamp,value\n2014-04-01 00:00:00,1.5\n2014-04-01 00:05:00,2\n\0"
    b'{"a/b.csv":[["2014-04-01 00:00:00.000000","2014-04-01 00:05:00.000000"]]}\0{"a/b.csv":["2014-04-01 00:05:00"]}',
]
NEZHA = [
    b"Time,TimeStamp,PodName,CpuUsage(m),PodServerLatencyP90(s)\n2022-08-22 03:51:19.6 +0000 UTC m=+0.1,1661140279,cart-7d-x,1.5,NaN\n",
    b'Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log\n2022-08-22T03:51:00Z,1661140260000000000,n,cart-7d-x,c,'
    b'0123456789abcdef0123456789abcdef,0123456789abcdef,"{""log"":""16:59:14.315 INFO  a.B#3 TraceID: 1 SpanID: 2 hi"",""stream"":""stdout""}"\n',
    b"TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n"
    b"0123456789abcdef0123456789abcdef,0123456789abcdef,root,cart-7d-x,GET,1661140260000000000,1661140261000000000,1\n",
    json.dumps([{"id": "1", "day": "2022-08-22", "inject_time": "2022-08-22 03:51:00", "inject_pod": "p", "service": "s", "fault_type": "return",
                 "root_cause": ["a"], "minutes": {"before": "03_50", "fault_1": "03_51", "fault_2_scored": "03_52"}, "nezha_released_rank": None}]).encode(),
]


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def lines(entries):
    return b"".join(json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries)


def facts():
    recorded = [{"schema_version": 1, "version": number, "at": AT, **fact} for number, fact in enumerate(FACTS, 1)]
    return [lines(recorded), lines(recorded * 3)]


def playbooks():
    """Each of the built-in playbooks as a file of its own."""
    text = (ROOT / "engine" / "plan" / "playbooks" / "default.yaml").read_text()
    return [("playbooks:\n  - fault:" + part).encode() for part in re.split(r"\n  - fault:", text)[1:]]


def main():
    plain = CSV + JSON + TEXT + OTLP[:1]
    packed = [pack(data) for data in plain for pack in (lambda d: gzip.compress(d, mtime=0), zstd)]
    packed += [gzip.compress(CSV[0], mtime=0) + gzip.compress(CSV[1], mtime=0), zstd(CSV[0]) + zstd(CSV[1]), packed[0][:20]]
    commits = lines([COMMIT, {**COMMIT, "transaction": 2}])
    seeds = {
        "csv": CSV,
        "json_lines": JSON,
        "otlp_json": OTLP + OTLP[0].splitlines(True),
        "json": [b"\x00" + seed for seed in OTLP] + [b"\x01" + seed for seed in JSON],
        "otlp_proto": OTLP_PROTO,
        "remote_write": REMOTE_WRITE,
        "arrow_ipc": [bytes([signal]) + damage for signal in range(3) for damage in DAMAGES],
        "parquet": PARQUET,
        "text": TEXT,
        "records": TEXT + LINES,
        "templates": [bytes([kind]) + text for kind in (1, 2) for text in LINES] + [b"\0" + EXPORTED],
        "compressed": packed,
        "topics": [b"\0" + damage for damage in DAMAGES] + [b"\1" + commits + b"\0" + FRAME, b"\1" + commits[:-1]],
        "telemetry": [bytes([signal]) + damage for signal in range(3) for damage in DAMAGES],
        "checkpoint": [b"\0\0" + json.dumps({"format": 1, "round": 1, "at": AT, "environment": "", "ends": {"symptoms/0": 1}, "configuration": "",
                       "knowledge_version": 0, "tables": []}).encode()]
        + [bytes([kind, table]) + damage for kind in (1, 2) for table in range(10) for damage in DAMAGES[:2]],
        "facts": facts(),
        "yaml": YAML + playbooks(),
        "ledger": [b"\1" + lines(LEDGER), b"\1" + lines(LEDGER[:1]), b"\0" + lines(LEDGER)],
        "nab": NAB,
        "nezha": [bytes([kind | packed]) + text for kind, text in enumerate(NEZHA) for packed in (0, 4)] + [b"\5" + zstd(NEZHA[1])],
    }
    for target, entries in seeds.items():
        folder = HERE / "corpus" / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, entry in enumerate(entries + WRONG):
            (folder / f"seed-{number}").write_bytes(entry)


main()
