"""The estimate of what labelling costs."""

from benchmarks.label_cost import KEPT, SIZES, estimate


def test_money_grows_with_the_frames_and_days_shrink_with_the_workers():
    rate = 3600 * KEPT  # frames an hour of a worker, at one a second
    (alone, *_, petabyte), (shared, *_) = (estimate(1.0, 1e9 / rate, 2.0, workers) for workers in (1, 12))
    assert next(iter(SIZES)) == alone["recordings"] == "1 GB"
    assert (alone["frames"], alone["worker hours"], alone["dollars"]) == ("3,240", "1.0", "2.00")
    assert petabyte["dollars"] == "2,000,000.00"
    assert (float(alone["days"]), float(shared["days"])) == (0.04, 0.0)
    assert shared["dollars"] == alone["dollars"]
