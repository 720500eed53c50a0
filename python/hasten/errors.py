"""The exceptions: one a status of the library, each also of the built-in kind that Python programs expect."""
from __future__ import annotations


class HastenError(Exception):
    """Something that the library refused. `message` is its sentence, `object` the file, node, tensor or option concerned
    ("" where there is none), `status` the name of the status. As text it is the message, with the object before it where
    the message does not quote it."""

    status = "UNKNOWN"

    def __init__(self, message: str, object: str = ""):
        named = not object or message.startswith(object) or f"'{object}'" in message
        super().__init__(message if named else f"{object}: {message}")
        self.message = message
        self.object = object


class InvalidArgumentError(HastenError, ValueError):
    status = "INVALID_ARGUMENT"


class NoMemoryError(HastenError, MemoryError):
    status = "NO_MEMORY"


class BudgetError(HastenError, MemoryError):
    """A stated memory budget would have been passed."""

    status = "BUDGET"


class FileError(HastenError, OSError):
    status = "IO"


class NotFoundError(HastenError, LookupError):
    status = "NOT_FOUND"


class BadFormatError(HastenError, ValueError):
    """A file is damaged or not what it claims to be."""

    status = "BAD_FORMAT"


class UnsupportedError(HastenError, NotImplementedError):
    """Well formed, but hasten does not do it."""

    status = "UNSUPPORTED"


class BadShapeError(HastenError, ValueError):
    status = "BAD_SHAPE"


class BusyError(HastenError, RuntimeError):
    """The session is running in another thread."""

    status = "BUSY"


class CancelledError(HastenError, RuntimeError):
    status = "CANCELLED"


class DeadlineError(HastenError, TimeoutError):
    status = "DEADLINE"


class InternalError(HastenError, RuntimeError):
    """A bug of hasten: please report it."""

    status = "INTERNAL"


_BY_STATUS = (None, InvalidArgumentError, NoMemoryError, BudgetError, FileError, NotFoundError, BadFormatError,
              UnsupportedError, BadShapeError, BusyError, CancelledError, DeadlineError, InternalError)


def error_for(status: int, message: str, object: str) -> HastenError:
    kind = _BY_STATUS[status] if 0 < status < len(_BY_STATUS) else HastenError
    return kind(message, object)
