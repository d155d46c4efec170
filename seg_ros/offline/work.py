"""One input's work: a job goes in, an outcome comes out, values both, in this process or on another machine."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seg_ros.errors import RecordingError
from seg_ros.offline.inputs import Input
from seg_ros.offline.jobs import done, make
from seg_ros.offline.labelling import label, label_piece
from seg_ros.offline.labels import Segmentation, Wish
from seg_ros.offline.pieces import MOST, Span, made_pieces, make_piece, remove_pieces, spans
from seg_ros.offline.remote import complete, fetched, identity, is_remote, unfinished
from seg_ros.offline.tally import Tally


class Job(NamedTuple):
    """An input, and the folder of all outputs, each by an absolute path; with a span only that piece of the input."""

    input: Input
    output: Path
    span: Span | None = None


class Outcome(NamedTuple):
    """What became of a job.

    Attributes:
        job: whose it is.
        engine: that labelled, as in `"openvino fp32"`; empty if that is not known.
        tally: of the frames; None if the input could not be labelled.
        resumed: whether it was done already, by an earlier run.
        error: why it could not be labelled.
    """

    job: Job
    engine: str = ""
    tally: Tally | None = None
    resumed: bool = False
    error: str = ""


def divided(jobs: Sequence[Job], force: bool) -> list[Job]:
    """Returns jobs for the pieces of large bags, to be done before these jobs, which then are done faster.

    Args:
        force: whether outputs that are there are made again.
    """
    if len(jobs) > MOST:
        return []
    here = [job for job in jobs if not is_remote(job.input.path) and not is_remote(job.output)]
    left = [job for job in here if force or not (job.output / job.input.name).exists()]
    return [job._replace(span=span) for job in left for span in spans(job.input)]


Work = Callable[[Job, Callable[[], None]], Outcome]
"""Does a job; calls what it is given after each frame."""


@dataclasses.dataclass(frozen=True)
class Labelling:
    """How all inputs are labelled. It travels to whoever labels; `open` makes the engine there.

    Attributes:
        weights: file, or the bare name of shipped weights.
        engine, precision, device: as of `Segmenter.open`.
        wish: what is made beside labels.
        score_threshold: smallest score of an object, 0..1.
        arguments: what a manifest says that its output was made with.
        force: whether outputs that were made otherwise are replaced.
    """

    weights: str
    engine: str
    precision: str
    device: str
    wish: Wish
    score_threshold: float
    arguments: dict[str, Any]
    force: bool

    def open(self, threads: int) -> Work:
        """Opens the engine for the calling thread, which alone may call what is returned.

        Args:
            threads: of the CPU, for the network; 0 is one for each core.

        Raises:
            WeightsError, EngineError: see `Segmenter.open`.
        """
        from seg_ros.engines.threads import set_threads
        from seg_ros.segmenter import Segmenter

        set_threads(threads)
        net = Segmenter.open(self.weights, engine=self.engine, precision=self.precision, device=self.device)
        engine = f"{net.runner.engine.name} {net.runner.engine.precision}"
        wish = self.wish
        segmentation = Segmentation(net, self.score_threshold, wish.needs_confidence, wish.smooth, wish.track_threshold)

        def work(job: Job, step: Callable[[], None]) -> Outcome:
            doing = {"segmentation": segmentation, "wish": wish, "step": step}
            try:
                if job.span is not None:
                    make_one = functools.partial(label_piece, span=job.span, **doing)
                    return Outcome(job, engine, make_piece(job.input, job.output, self.arguments, job.span, make_one))
                again = self.force or unfinished(job.output / str(job.input.name))
                if not again and (tally := done(job.input, job.output, self.arguments, identity)) is not None:
                    return Outcome(job, engine, tally, resumed=True)
                pieces = [] if is_remote(job.output) else made_pieces(job.input, job.output, self.arguments)
                with fetched(job.input) as each, complete(job.output, job.input.name) as output:

                    def make_one(_: Input, target: Path) -> Tally:
                        return label(each, target, pieces=pieces, **doing)

                    tally = make(job.input, output, self.arguments, make_one, identity)
                remove_pieces(job.input, job.output)
                return Outcome(job, engine, tally)
            except RecordingError as error:
                url = f"{job.input.path}: " if is_remote(job.input.path) else ""  # it speaks of a copy
                return Outcome(job, engine, error=f"{url}{error}")
            except PermissionError as error:
                if error.filename is None or not str(error.filename).startswith(str(job.input.path)):
                    raise  # of the outputs: the next one could not be written either
                return Outcome(job, engine, error=f"{error.filename}: {error.strerror}")

        return work
