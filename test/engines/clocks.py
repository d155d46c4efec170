"""Time for tests of what measures."""


class FakeClock:
    """Time that passes only where a run says so; `others` is the share of the cores that others use."""

    def __init__(self, others: float = 0.0) -> None:
        self.seconds, self.used, self.others = 0.0, 0.0, others

    def wall(self) -> float:
        return self.seconds

    def own(self) -> float:
        return self.used

    def all(self) -> float:
        return self.used + self.others * self.seconds

    def run(self, wall: float, own: float):
        def run():
            self.seconds += wall
            self.used += own

        return run
