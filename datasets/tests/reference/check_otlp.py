"""Reads telemetry of the simulator with the official protobuf definitions of OTLP.

    pip install opentelemetry-proto==1.45.2
    cargo run -p theriac-datasets --example simulate -- 7 1200 telemetry.jsonl
    python check_otlp.py 7 1200 telemetry.jsonl > otlp_verdict.json

Every name, type and enumeration must be known to the parser. OTLP/JSON departs from the
JSON mapping of protobuf in one thing, trace and span ids in hex, which is undone first.
"""

import base64
import hashlib
import json
import sys
from importlib.metadata import version

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = {
    "resourceMetrics": ExportMetricsServiceRequest,
    "resourceLogs": ExportLogsServiceRequest,
    "resourceSpans": ExportTraceServiceRequest,
}


def undo_hex(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("traceId", "spanId", "parentSpanId"):
                length = 16 if key == "traceId" else 8
                raw = bytes.fromhex(value)
                assert len(raw) == length, (key, value)
                node[key] = base64.b64encode(raw).decode()
            else:
                undo_hex(value)
    elif isinstance(node, list):
        for item in node:
            undo_hex(item)


def main():
    seed, seconds, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    counts = {"lines": 0, "metrics": 0, "logs": 0, "spans": 0}
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for line in file:
            digest.update(line)
            counts["lines"] += 1
            request = json.loads(line)
            (kind,) = request
            undo_hex(request)
            message = ParseDict(request, KINDS[kind]())
            for resource in getattr(message, kind.replace("M", "_m").replace("L", "_l").replace("S", "_s")):
                assert resource.resource.attributes
                if kind == "resourceMetrics":
                    for metric in resource.scope_metrics[0].metrics:
                        counts["metrics"] += 1
                        data = getattr(metric, metric.WhichOneof("data"))
                        for point in data.data_points:
                            assert point.time_unix_nano >= point.start_time_unix_nano > 0
                            if metric.HasField("histogram"):
                                assert sum(point.bucket_counts) == point.count
                                assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
                            else:
                                assert point.WhichOneof("value")
                        if not metric.HasField("gauge"):
                            assert data.aggregation_temporality == 2
                elif kind == "resourceLogs":
                    for log in resource.scope_logs[0].log_records:
                        counts["logs"] += 1
                        assert log.time_unix_nano and log.body.string_value and 1 <= log.severity_number <= 24
                else:
                    for span in resource.scope_spans[0].spans:
                        counts["spans"] += 1
                        assert span.end_time_unix_nano >= span.start_time_unix_nano > 0
                        assert span.kind in (2, 3) and span.status.code in (0, 2)
    verdict = {
        "opentelemetry-proto": version("opentelemetry-proto"),
        "protobuf": version("protobuf"),
        "seed": seed,
        "seconds": seconds,
        "sha256": digest.hexdigest(),
        **counts,
    }
    print(json.dumps(verdict, indent=2))


main()
