# SPDX-License-Identifier: MIT
"""nbx: recommendations from nbxd, and bundles for it.

    import nbx
    client = nbx.Client()
    for item in client.recommend("anna", n=5)["items"]:
        print(item["id"], item["score"], item["source"])

`nbx.bundle.write` writes a model for the daemon (needs NumPy, imported only there).
"""

from .client import Client
from .errors import (BadRequest, Busy, Conflict, Denied, Error, Internal, Limit, NotFound,
                     ProtocolError, Storage, Timeout)

__all__ = ["Client", "Error", "BadRequest", "NotFound", "Busy", "Limit", "Denied", "Conflict",
           "Storage", "Internal", "Timeout", "ProtocolError"]
