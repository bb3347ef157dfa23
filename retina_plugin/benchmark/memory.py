"""Peak memory of this process. Linux only."""

from pathlib import Path


def peak_mb() -> float:
    """The highest resident size of this process, in MB, since it began or since `reset_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def reset_peak() -> None:
    """Let the peak begin at the present size. `resource.getrusage` would include that of the parent process."""
    Path("/proc/self/clear_refs").write_text("5")
