"""A small shop: answers requests, keeps orders, and says once a second how it is.

What is wrong with a release stands in its file `fault`: `leaks` memory, or answers with `errors`.
Its orders are a file of JSON; without them no request is answered well. Every few seconds it keeps a copy
of orders that can be read, and registers that as a checkpoint.
SIGHUP: a deploy; the process begins anew with what the release link leads to now.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CURRENT, PORT, TELEMETRY, ORDERS = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
CHECKPOINT_EVERY = 5
with open(os.path.join(os.path.realpath(CURRENT), "fault"), encoding="ascii") as file:
    FAULT = file.read().strip()

counts = {"requests": 0, "errors": 0}
lock = threading.Lock()
leaked = []


def orders():
    try:
        with open(ORDERS, encoding="utf-8") as kept:
            return json.load(kept)
    except ValueError:
        return None


def checkpoint():
    """Keeps a copy of the orders, if they are good, and gives its name."""
    good = orders()
    if good is None:
        return None
    name = f"orders-{time.time_ns()}"
    with open(f"{ORDERS}.{name}", "w", encoding="utf-8") as copy:
        json.dump(good, copy)
    return name


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        health = self.path == "/health"
        fails = not health and (FAULT == "errors" or orders() is None)
        status = 500 if fails else 200
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
    seconds = 0
    with open(TELEMETRY, "a", encoding="utf-8") as out:
        while True:
            time.sleep(1 - time.time() % 1)
            name = checkpoint() if seconds % CHECKPOINT_EVERY == 0 else None
            seconds += 1
            if name:
                event = {"time": time.time_ns(), "service": "shop", "event_name": "checkpoint", "body": "orders",
                         "attributes": {"change.to": name}}
                out.write(json.dumps(event) + "\n")
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
