"""Work for workers that needs no network: what it does is in the name of its input."""

import os
import signal
import time
from pathlib import Path

from seg_ros.offline.inputs import Input
from seg_ros.offline.tally import Tally
from seg_ros.offline.work import Job, Outcome

SIGNALS = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}


def job(name, folder):
    return Job(Input(Path(name), Path(name), False), folder)


def opening(threads):
    """`NAME-N` kills or stops its process, or hangs, when it is done the first N times; `raises` raises."""

    def work(job, step):
        name = job.input.path.name
        with (job.output / f"{name}.tries").open("a") as file:
            file.write(f"{os.getpid()}\n")
        tries = len((job.output / f"{name}.tries").read_text().split())
        kind, _, times = name.partition("-")
        if kind in SIGNALS and tries <= int(times):
            time.sleep(0.5)  # Ray sends what was said by another thread
            os.kill(os.getpid(), SIGNALS[kind])
        if kind == "hangs" and tries <= int(times):
            time.sleep(3600)
        if name == "raises":
            raise OSError("no space left")
        step()
        if name.startswith("slow"):
            time.sleep(float(name.partition("-")[2]))
        return Outcome(job, f"stub {threads}", Tally(frames=1, labelled=1))

    return work


def unfit(threads):
    raise ValueError("no such engine")


class Silent:
    """Progress of which the frames are kept."""

    def __init__(self):
        self.frames, self.said = 0, []

    def begin(self, name):
        pass

    def step(self, frames=1):
        self.frames += frames

    def say(self, text):
        self.said.append(text)
