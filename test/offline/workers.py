"""Work for workers that needs no network: what it does is in the name of its input."""

import os
import signal
import time
from pathlib import Path

from seg_ros.offline.inputs import Input
from seg_ros.offline.tally import Tally
from seg_ros.offline.work import Job, Outcome


def job(name, folder):
    return Job(Input(Path(name), Path(name), False), folder)


def opening(threads):
    """`killed-N` kills its process when it is done the first N times, `raises` raises, others have a frame."""

    def work(job, step):
        name = job.input.path.name
        with (job.output / f"{name}.tries").open("a") as file:
            file.write(f"{os.getpid()}\n")
        tries = len((job.output / f"{name}.tries").read_text().split())
        if name.startswith("killed") and tries <= int(name.partition("-")[2]):
            os.kill(os.getpid(), signal.SIGKILL)
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
