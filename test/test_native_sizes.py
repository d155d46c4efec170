"""Which frame sizes get an engine of their own: those that come back, and not too many a day."""

import random

from seg_ros.native_sizes import NativeSizes


def chosen(sizes, frames):
    """The frames, by number, at which a size was chosen."""
    return [i for i, size in enumerate(frames) if sizes.choose(size)]


def test_the_tenth_frame_of_a_size_in_all():
    assert chosen(NativeSizes(8), [(48, 60), (30, 40)] * 10) == [18, 19]


def test_a_size_that_was_chosen_counts_from_zero():
    assert chosen(NativeSizes(8), [(48, 60)] * 25) == [9, 19]


def test_sizes_at_random_are_never_worth_it():
    draw = random.Random(0)
    assert not chosen(NativeSizes(8), [(draw.randrange(1000), draw.randrange(1000)) for _ in range(5000)])


def test_so_many_in_a_day():
    now = 0.0
    sizes = NativeSizes(2, lambda: now)
    frames = [(n, n) for n in range(4) for _ in range(10)]
    assert chosen(sizes, frames) == [9, 19]
    now = 86399.0
    assert not chosen(sizes, frames)
    now = 86401.0
    assert len(chosen(sizes, frames)) == 2
    assert not chosen(NativeSizes(0), frames)
