"""A certificate for 127.0.0.1, made when it is needed and trusted by nobody else."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import trustme

__all__ = ["Certificate"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files for a server, and the authority that its clients trust."""

    chain: Path
    key: Path
    authority: trustme.CA

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Issue a certificate and write it into `folder`."""
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        chain, key = folder / "chain.pem", folder / "key.pem"
        for blob in issued.cert_chain_pems:
            blob.write_to_path(chain, append=True)
        issued.private_key_pem.write_to_path(key)
        return cls(chain, key, authority)

    def client_context(self) -> ssl.SSLContext:
        """Return a context for clients that trusts this certificate and no other."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context
