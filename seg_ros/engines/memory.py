"""Memory that is freed after a frame stays with the process, for the next frame.

glibc gives large blocks back to the kernel when they are freed, and the kernel hands them out anew page by page,
zeroed: a tenth of the time of a compiled Mask R-CNN, and a third of an eager one (`man 3 mallopt`).
"""

from __future__ import annotations

import ctypes
import functools

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt: free memory at the heap's end, and size of a block, from which the kernel gets it back."""
_NEVER = 2**30  # bytes: more than a graph allocates at once


@functools.cache
def keep_freed_memory() -> bool:
    """Says so to the C library, once for the process. Returns False where it is not glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _NEVER) and mallopt(_TRIM_THRESHOLD, _NEVER))
