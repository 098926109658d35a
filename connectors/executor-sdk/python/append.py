"""An executor in thirty lines: for each command it appends a line to a file.

BROKERS=127.0.0.1:19092 EFFECTS=/tmp/effects python append.py
"""

import os

from theriac_executor import RETRY, SUCCEEDED, Executor


class Append:
    def __init__(self, file):
        self.file = file

    def act(self, command, lease):
        with open(self.file, "a") as file:
            if not lease.held():
                return RETRY, "the lease is over"
            action = command["action"]
            file.write(f"{command['idempotency_key']} {action['verb']} {action['target']}\n")
        return SUCCEEDED, "noted"

    def reconcile(self, command):
        if not os.path.exists(self.file):
            return False
        with open(self.file) as file:
            return command["idempotency_key"] in file.read()


if __name__ == "__main__":
    prefix = os.environ.get("PREFIX", "theriac.")
    Executor("shop", os.environ["BROKERS"], Append(os.environ["EFFECTS"]), prefix).run()
