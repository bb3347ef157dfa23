"""One process at a time writes into a folder: a lock that the kernel releases when its process is gone."""

import contextlib
import errno
import fcntl
import logging
import os
import re
import socket
import weakref
from pathlib import Path

from detectron2.utils import comm

from ...files import open_to_append

logger = logging.getLogger(__name__)
INHERITED = "RETINA_PLUGIN_LOCK"  # environment variable: the descriptor of a lock that a parent process passes on
_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class FolderInUseError(OSError):
    """Another process writes into the folder; the message names both, and `holder` the process."""

    def __init__(self, folder: Path, holder: str) -> None:
        super().__init__(f"{folder} is in use by {holder}: wait until that process has ended, or choose another folder")
        self.holder = holder


class FolderLock:
    """Lock on the file `folder`.lock beside the folder, which stays in place when the folder is moved aside.

    The file names the process that holds the lock. Forked processes, such as data loading workers, do not keep it. If
    the parent folder is not writable, so that the folder cannot be moved, the file is `.lock` inside the folder.
    As a context, the lock removes its file at the end, and the folder and its parents if they are new and empty.
    """

    def __init__(self, folder: str | Path) -> None:
        """`folder` need not exist. All paths to it, including relative paths and symbolic links, have the same lock."""
        self.folder = Path(folder).resolve()
        self._descriptor: int | None = None
        self._is_inherited = False
        self._new_folders: list[Path] = []
        _locks.add(self)

    def __enter__(self) -> "FolderLock":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_inherited and self._descriptor is not None:
            _path(self.folder).unlink(missing_ok=True)
            for folder in self._new_folders:
                with contextlib.suppress(OSError):  # it is not empty, or was never made
                    folder.rmdir()
        self.close()

    def acquire(self) -> None:
        """Take the lock, or take over the lock that the parent process passed on.

        Raises:
            FolderInUseError: naming the process that holds the lock.
            OSError: if the lock's file cannot be written.
        """
        self._new_folders = [path for path in (self.folder, *self.folder.parents) if not os.path.exists(path)]
        while self._descriptor is None:
            path = _path(self.folder)
            inherited = _inherited(path)
            descriptor = open_to_append(path) if inherited is None else inherited
            self._descriptor, self._is_inherited = descriptor, inherited is not None
            self._try_lock()
            if not _is_at(path, descriptor):
                self.close()  # the process that had it has removed the file
        if not self._is_inherited:
            self.name_holder(os.getpid())

    def fileno(self) -> int:
        """The descriptor of a lock that is held, for a child process with `INHERITED` set to it in its environment."""
        return self._descriptor

    def name_holder(self, pid: int) -> None:
        """Write into the file that process `pid` of this machine holds the lock; ignored if the disk is full."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.fileno(), 0)
            os.write(self.fileno(), f"{pid} {socket.gethostname()}".encode())

    def close(self) -> None:
        """Give up this process's hold of the lock; a child process that inherited the lock keeps it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _try_lock(self) -> None:
        try:
            fcntl.flock(self.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _describe(os.pread(self.fileno(), 300, 0))
            self.close()
            raise FolderInUseError(self.folder, holder) from None
        except OSError as e:
            if e.errno not in _UNSUPPORTED:
                raise
            logger.warning(
                "The file system of %s has no locks (%s): nothing stops a second process from writing into it",
                self.folder,
                os.strerror(e.errno),
            )


def run_lock(folder: str | Path) -> contextlib.AbstractContextManager:
    """The lock of a run folder, which the main process of a training holds for all its processes."""
    return FolderLock(folder) if comm.is_main_process() else contextlib.nullcontext()


def _path(folder: Path) -> Path:
    if folder.name:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if os.access(folder.parent, os.W_OK):
            return folder.with_name(folder.name + ".lock")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / ".lock"


def _inherited(path: Path) -> int | None:
    number = os.environ.get(INHERITED, "")
    if not re.fullmatch("[0-9]{1,7}", number) or not _is_at(path, int(number)):
        return None
    del os.environ[INHERITED]
    os.set_inheritable(int(number), False)
    return int(number)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


def _describe(content: bytes) -> str:
    if not (found := re.fullmatch(rb"(\d{1,10}) ([\w.-]{1,255})", content)):
        return "another process"
    pid, host = (part.decode() for part in found.groups())
    return f"process {pid}" if host == socket.gethostname() else f"process {pid} on {host}"


_locks: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _close_locks() -> None:
    for lock in _locks:
        lock.close()


os.register_at_fork(after_in_child=_close_locks)  # a process that loads images must not keep a dead training's lock
