"""One end of a TLS connection by libssl itself, for what Python's ssl module cannot say: KeyUpdates, half an end."""

import ctypes
import ctypes.util

from .verdict import Failed

_KEY_UPDATE_NOT_REQUESTED = 0


def _library():
    library = ctypes.CDLL(ctypes.util.find_library("ssl"))
    for name, result, arguments in (
            ("TLS_client_method", "p", ""), ("TLS_server_method", "p", ""), ("SSL_CTX_new", "p", "p"), ("SSL_CTX_free", "v", "p"),
            ("SSL_CTX_use_certificate_chain_file", "i", "ps"), ("SSL_CTX_use_PrivateKey_file", "i", "psi"),
            ("SSL_new", "p", "p"), ("SSL_free", "v", "p"), ("SSL_set_fd", "i", "pi"), ("SSL_connect", "i", "p"),
            ("SSL_accept", "i", "p"), ("SSL_do_handshake", "i", "p"), ("SSL_key_update", "i", "pi"),
            ("SSL_write", "i", "psi"), ("SSL_read", "i", "psi"), ("ERR_clear_error", "v", "")):
        types = {"p": ctypes.c_void_p, "i": ctypes.c_int, "s": ctypes.c_char_p, "v": None}
        function = getattr(library, name)
        function.restype = types[result]
        function.argtypes = [types[each] for each in arguments]
    return library


class Libssl:
    """Shakes hands over a connected, blocking socket, which stays the caller's; with a `certificate` as the server."""

    def __init__(self, sock, certificate=None):
        self._library = library = _library()
        method = library.TLS_server_method() if certificate else library.TLS_client_method()
        self._context = library.SSL_CTX_new(method)
        if certificate:
            library.SSL_CTX_use_certificate_chain_file(self._context, certificate.cert.encode())
            library.SSL_CTX_use_PrivateKey_file(self._context, certificate.key.encode(), 1)
        self._ssl = library.SSL_new(self._context)
        # a blocking descriptor, whatever timeout Python gave its socket
        sock.settimeout(None)
        library.SSL_set_fd(self._ssl, sock.fileno())
        if (library.SSL_accept if certificate else library.SSL_connect)(self._ssl) != 1:
            raise Failed("the handshake by libssl came to nothing")

    def key_update(self):
        """Send one. False: the other side takes no more."""
        self._library.ERR_clear_error()
        return (self._library.SSL_key_update(self._ssl, _KEY_UPDATE_NOT_REQUESTED) == 1 and
                self._library.SSL_do_handshake(self._ssl) == 1)

    def flood(self, most):
        """So many KeyUpdates, or as many as the other side takes; returns how many."""
        return next((sent for sent in range(most) if not self.key_update()), most)

    def write(self, data):
        return self._library.SSL_write(self._ssl, data, len(data)) == len(data)

    def read(self, most=65536):
        """What came; empty at an end of any kind."""
        self._library.ERR_clear_error()
        space = ctypes.create_string_buffer(most)
        length = self._library.SSL_read(self._ssl, space, most)
        return space.raw[:max(0, length)]

    def free(self):
        self._library.SSL_free(self._ssl)
        self._library.SSL_CTX_free(self._context)
