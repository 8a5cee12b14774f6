"""Passwords of HTTP Basic and their hashes, by the crypt(3) of this machine."""

import base64
import ctypes
import ctypes.util

_libcrypt = ctypes.CDLL(ctypes.util.find_library("crypt"))
_libcrypt.crypt.restype = ctypes.c_char_p


def hashed(password, setting):
    return _libcrypt.crypt(password.encode(), setting.encode()).decode()


def bcrypt(password, cost=4, mark="2y"):
    return hashed(password, f"${mark}${cost:02}$abcdefghijklmnopqrstuu")


def basic(name, password, scheme="Basic"):
    """The field of a request."""
    return "Authorization", f"{scheme} " + base64.b64encode(f"{name}:{password}".encode()).decode()
