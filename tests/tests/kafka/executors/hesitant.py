"""The executor of `append.py` with pauses before and after its effect, for the tests of this folder."""

import os
import time

from append import Append
from theriac_executor import Executor


class Hesitant(Append):
    def act(self, command, lease):
        time.sleep(float(os.environ["BEFORE"]))
        answer = super().act(command, lease)
        time.sleep(float(os.environ["AFTER"]))
        return answer


Executor(
    "shop",
    os.environ["BROKERS"],
    Hesitant(os.environ["EFFECTS"]),
    os.environ["PREFIX"],
    lease=float(os.environ["LEASE"]),
    session=2.0,
).run()
