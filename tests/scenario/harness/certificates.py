"""Certificates made by openssl for one scenario: authorities and what they have signed."""

import os
import subprocess
import time

from .verdict import Failed

_KEYS = {"ecdsa": ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "rsa": ("-newkey", "rsa:2048")}


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Failed(f"openssl {arguments[0]}: {done.stderr}")
    return done.stdout


class Certificate:
    """Files of a certificate: `cert` (its chain), `key`, and the subject's common name."""

    def __init__(self, cert, key, name):
        self.cert = cert
        self.key = key
        self.name = name

    def settings(self):
        """As a listener's certificates list has it."""
        return {"cert": self.cert, "key": self.key}


class Authority(Certificate):
    """A certificate authority in the scenario's directory."""

    def __init__(self, scenario, name="authority"):
        self._scenario = scenario
        self._count = 0
        super().__init__(scenario.path(f"{name}.pem"), scenario.path(f"{name}.key"), name)
        _openssl("req", "-x509", *_KEYS["ecdsa"], "-nodes", "-keyout", self.key, "-out", self.cert, "-days", 30,
                 "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, *names, kind="ecdsa", days=30, client=False):
        """A certificate for these names ("a.test", "*.a.test", "IP:127.0.0.1"); days < 0: expired."""
        self._count += 1
        stem = self._scenario.path(f"{self.name}-{self._count}")
        alternatives = ",".join(name if ":" in name else f"DNS:{name}" for name in names)
        _openssl("req", *_KEYS[kind], "-nodes", "-keyout", f"{stem}.key", "-out", f"{stem}.csr",
                 "-subj", f"/CN={names[0].removeprefix('IP:')}")
        with open(f"{stem}.ext", "w") as file:
            file.write(f"extendedKeyUsage = {'clientAuth' if client else 'serverAuth'}\n")
            if not client:
                file.write(f"subjectAltName = {alternatives}\n")
        _openssl("x509", "-req", "-in", f"{stem}.csr", "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial",
                 "-days", days, "-extfile", f"{stem}.ext", "-out", f"{stem}.pem")
        return Certificate(f"{stem}.pem", f"{stem}.key", names[0])

    def issue_until(self, name, until_s):
        """A client's certificate that expires at this Unix time."""
        brief = self.issue(name, client=True)
        config, index = self._scenario.path("ca.conf"), self._scenario.path("ca.index")
        with open(config, "w") as file:
            file.write(f"""[ca]\ndefault_ca = it\n[it]\ndatabase = {index}\nnew_certs_dir = {self._scenario.directory}
                       rand_serial = yes\npolicy = any\nunique_subject = no\n[any]\ncommonName = supplied\n""".replace("  ", ""))
        open(index, "w").close()
        ends = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(until_s))
        _openssl("ca", "-batch", "-notext", "-config", config, "-cert", self.cert, "-keyfile", self.key, "-md", "sha256",
                 "-in", f"{brief.cert.removesuffix('.pem')}.csr", "-out", brief.cert, "-startdate", "20200101000000Z",
                 "-enddate", ends)
        return brief

    def vouch(self, certificate, days=2):
        """A file with an OCSP response that says the certificate is good."""
        stem = f"{certificate.cert}-ocsp"
        serial = _openssl("x509", "-in", certificate.cert, "-noout", "-serial").strip().partition("=")[2]
        with open(f"{stem}.index", "w") as file:
            file.write(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN={certificate.name}\n")
        _openssl("ocsp", "-issuer", self.cert, "-cert", certificate.cert, "-reqout", f"{stem}.req")
        _openssl("ocsp", "-index", f"{stem}.index", "-rsigner", self.cert, "-rkey", self.key, "-CA", self.cert,
                 "-reqin", f"{stem}.req", "-respout", f"{stem}.der", "-ndays", days)
        return f"{stem}.der"


def replace(old, new):
    """Put one certificate's files in the place of another's, each in one step."""
    for source, target in ((new.cert, old.cert), (new.key, old.key)):
        with open(source, "rb") as file:
            content = file.read()
        with open(f"{target}.new", "wb") as file:
            file.write(content)
        os.rename(f"{target}.new", target)
