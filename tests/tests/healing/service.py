"""A small shop: answers requests, keeps orders, and says once a second how it is.

What is wrong with a release stands in its file `fault`: `leaks` memory, or answers with `errors`.
SIGHUP: a deploy; the process begins anew with what the release link leads to now.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CURRENT, PORT, TELEMETRY = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with open(os.path.join(os.path.realpath(CURRENT), "fault"), encoding="ascii") as file:
    FAULT = file.read().strip()

counts = {"requests": 0, "errors": 0}
lock = threading.Lock()
leaked = []


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        health = self.path == "/health"
        status = 500 if FAULT == "errors" and not health else 200
        if not health:
            with lock:
                counts["requests"] += 1
                counts["errors"] += status == 500
            if FAULT == "leaks":
                leaked.append(b"x" * 500_000)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def memory():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tell():
    with open(TELEMETRY, "a", encoding="utf-8") as out:
        while True:
            time.sleep(1 - time.time() % 1)
            with lock:
                told = {f"http.server.{name}": count for name, count in counts.items()}
                counts.update(requests=0, errors=0)
            told["process.memory.usage"] = memory()
            for name, value in told.items():
                point = {"time": time.time_ns(), "service": "shop", "instance": "shop-1", "name": name, "value": value}
                out.write(json.dumps(point) + "\n")
            out.flush()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


server = Server(("127.0.0.1", PORT), Shop)


def deploy(*_):
    server.socket.close()
    script = os.path.join(os.path.realpath(CURRENT), "service.py")
    os.execv(sys.executable, [sys.executable, script, *sys.argv[1:]])


signal.signal(signal.SIGHUP, deploy)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
threading.Thread(target=tell, daemon=True).start()
server.serve_forever()
