"""The errors that seg_ros raises on purpose. Each message has what was expected, what came, and what to do."""


class FrameError(Exception):
    """Raised for a camera frame that cannot be used. It costs that frame and no more.

    `reason` is a short, stable word ("encoding", "step", "truncated", ...) under which the drop is counted
    in `/diagnostics`; the message is for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class WeightsError(Exception):
    """Raised for a weights file that cannot be loaded: missing, truncated, altered, a pickle, or of another network."""


class EngineError(Exception):
    """Raised when an engine cannot be built or cannot run.

    `fatal` means that the device is lost for this process: only a restart helps. Otherwise the failure
    cost one batch (out of memory, say) or one engine (`auto` then takes the next). `reason` is the short, stable
    word under which `/diagnostics` counts the frames that it cost: `memory` (there is too little), `not_finite` (NaN
    or Inf came out of the network), else `engine`.
    """

    def __init__(self, message: str, fatal: bool = False, reason: str = "engine") -> None:
        super().__init__(message)
        self.fatal = fatal
        self.reason = reason


class TrainingError(Exception):
    """Raised when a training run cannot go on: its loss or its weights became NaN or Inf."""


class RecordingError(Exception):
    """Raised for a bag, video or folder that cannot be read, or an output that cannot be written, as it is."""
