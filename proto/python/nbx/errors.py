# SPDX-License-Identifier: MIT
"""What can go wrong: one exception for each status of the protocol, and two of the client's own."""


class Error(Exception):
    """Every error of this package. `status` is the protocol's word, `field` the path at fault."""

    status = "error"

    def __init__(self, message, field=None, id=None):
        super().__init__(f"{field}: {message}" if field else message)
        self.message = message
        self.field = field
        self.id = id


class BadRequest(Error):
    """The request is wrong; trying again is useless."""

    status = "bad_request"


class NotFound(Error):
    status = "not_found"


class Busy(Error):
    """Too much is waiting. Nothing has changed; try again after a pause."""

    status = "busy"


class Limit(Error):
    status = "limit"


class Denied(Error):
    status = "denied"


class Conflict(Error):
    """Contradicts what is stored, such as an attribute of another type."""

    status = "conflict"


class Storage(Error):
    status = "storage"


class Internal(Error):
    status = "internal"


class Timeout(Error, TimeoutError):
    """No reply in time. What was asked for may or may not have been done."""

    status = "timeout"


class ProtocolError(Error):
    """What came back is not a reply of nbxd."""

    status = "protocol"


BY_STATUS = {kind.status: kind for kind in (BadRequest, NotFound, Busy, Limit, Denied, Conflict,
                                            Storage, Internal)}
