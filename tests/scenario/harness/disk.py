"""Disks that hang: file systems (FUSE) whose server says nothing, from the beginning or from some operation on.

Whoever waits for one cannot be killed by its own process, as with a dead NFS server.
"""

import ctypes
import errno
import os
import stat
import struct
import threading

from .verdict import Skipped

_LIBC = ctypes.CDLL(None, use_errno=True)
_AT_ONCE = 1 | 2  # MNT_FORCE, MNT_DETACH: what waits there fails
_OPERATIONS = {1: "lookup", 2: "forget", 3: "getattr", 14: "open", 15: "read", 18: "release", 25: "flush", 26: "init", 27: "opendir",
               29: "releasedir", 36: "interrupt", 42: "forget"}
_FOLDER, _FIRST_FILE = 1, 2


class HangingDisk:
    """`files`: {name: content}; None: not even its root can be looked at."""

    def __init__(self, s, files=None, name="hanging"):
        self.path = s.path(name)
        self._files = sorted((files or {}).items())
        self._hung = set()
        self._thread = None
        os.mkdir(self.path)
        try:
            self._fd = os.open("/dev/fuse", os.O_RDWR)
        except OSError as fault:
            raise Skipped(f"no FUSE here: {fault}") from None
        options = f"fd={self._fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if _LIBC.mount(b"hanging", self.path.encode(), b"fuse", 0, options) != 0:
            raise Skipped(f"no file system may be mounted here: {os.strerror(ctypes.get_errno())}")
        s.finally_do(self.end)
        if files is not None:
            self._thread = threading.Thread(target=self._serve, daemon=True)
            self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def hang(self, *operations):
        """From now on these get no answer, such as "lookup", "getattr", "open", "read", "flush"."""
        self._hung.update(operations)

    def end(self):
        """Whoever waits gets an error."""
        if self._fd is None:
            return
        if self._thread is None:
            os.close(self._fd)  # nobody has answered INIT: only this ends those who wait
        _LIBC.umount2(self.path.encode(), _AT_ONCE)
        if self._thread is not None:
            self._thread.join(10)
            os.close(self._fd)
        self._fd = None

    def _serve(self):
        while True:
            try:
                request = os.read(self._fd, 1 << 18)
            except OSError as fault:
                if fault.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                return  # it is unmounted
            _, number, unique, node = struct.unpack_from("<IIQQ", request)
            operation = _OPERATIONS.get(number, "unknown")
            if operation in self._hung or operation in ("forget", "interrupt"):
                continue
            try:
                answer, fault = self._answer(operation, node, request[40:]), 0
            except OSError as refused:
                answer, fault = b"", refused.errno
            os.write(self._fd, struct.pack("<IiQ", 16 + len(answer), -fault, unique) + answer)

    def _answer(self, operation, node, body):
        if operation == "init":
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 16, 12, 1 << 17, 1, 0, 0, 0)
        if operation == "lookup":
            names = [name for name, _ in self._files]
            name = body.rstrip(b"\0").decode()
            if name not in names:
                raise OSError(errno.ENOENT, name)
            found = _FIRST_FILE + names.index(name)
            return struct.pack("<QQQQII", found, 0, 0, 0, 0, 0) + self._attributes(found)
        if operation == "getattr":
            return struct.pack("<QII", 0, 0, 0) + self._attributes(node)
        if operation in ("open", "opendir"):
            return struct.pack("<QII", 0, 0, 0)
        if operation == "read":
            _, offset, size = struct.unpack_from("<QQI", body)
            return self._files[node - _FIRST_FILE][1][offset:offset + size]
        if operation in ("flush", "release", "releasedir"):
            return b""
        raise OSError(errno.ENOSYS, operation)

    def _attributes(self, node):
        mode = stat.S_IFDIR | 0o755 if node == _FOLDER else stat.S_IFREG | 0o644
        size = 0 if node == _FOLDER else len(self._files[node - _FIRST_FILE][1])
        return struct.pack("<QQQQQQIIIIIIIIII", node, size, 0, 784111777, 784111777, 784111777, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
