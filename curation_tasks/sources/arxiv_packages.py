"""Packages of papers: unpacked in memory, within bounds, never to disk.

Only regular files count. Links, devices and names that lead out of the package are passed over, so that nothing outside can
be read and nothing is written. A package says why it has no TeX.
"""

from __future__ import annotations

import gzip
import io
import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

#: Files of a package that may hold text or macros of the paper.
_TEX_SUFFIXES = (".tex", ".ltx", ".latex", ".txt", ".sty", ".cls", ".def", ".inc", ".bbl", ".pstex_t", ".tikz", "")
_README = re.compile(r"00README(?:\.XXX|\.json|\.ya?ml)?", re.IGNORECASE)
_BLOCK = 2**16
_SIGNATURES = (
    (b"%PDF", "pdf_only"),
    (b"%!", "postscript_only"),
    # DVI, gzip in gzip, zip, bzip2, old office files, compress, images.
    *((start, "unsupported_format") for start in (b"\xf7\x02", b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xd0\xcf\x11\xe0", b"\x1f\x9d")),
    *((start, "unsupported_format") for start in (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")),
)


@dataclass
class Package:
    """The files of a paper.

    Attributes:
        files: Name in the package → content, of what may be TeX.
        other_names: Names of the other files.
        unsafe: Members passed over: links, devices, names that lead out of the package.
        reason: Why there is no TeX to be had, "" when there may be.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    other_names: list[str] = field(default_factory=list)
    unsafe: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Bounds:
    """How large a package may be, unpacked."""

    bytes: int
    files: int


class _TooLargeError(Exception):
    """More bytes than the bounds allow."""


class _Bounded(io.RawIOBase):
    """Reads no more than so many bytes of a stream: a bomb is noticed before it is unpacked."""

    def __init__(self, stream: IO[bytes], limit: int):
        self._stream, self._left = stream, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise _TooLargeError
        buffer[: len(data)] = data
        return len(data)


def package_of(data: bytes, name: str, bounds: Bounds) -> Package:
    """Unpacks a package: a tar archive, plain or gzipped, or a single file, plain or gzipped.

    Args:
        data: Its bytes.
        name: Of its file; a single file in it is called so.
        bounds: Of what is unpacked. The total that is looked at, figures too, has sixteen times the bound for TeX.
    """
    package = Package()
    try:
        stream: IO[bytes] = io.BytesIO(data)
        if data.startswith(b"\x1f\x8b"):
            stream = io.BufferedReader(_Bounded(gzip.GzipFile(fileobj=stream), 16 * bounds.bytes), _BLOCK)  # type: ignore[arg-type]
        head = stream.peek(512)[:512] if isinstance(stream, io.BufferedReader) else data[:512]
        if _is_tar(head):
            _unpack(stream, package, bounds)
        else:
            _single_file(stream, head, posixpath.basename(name), package, bounds)
    except _TooLargeError:
        package.reason = "too_large"
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError):
        package.reason = "damaged_package"
    if not package.reason and not _has_tex(package):
        package.reason = _why_no_tex(package)
    return package


def _is_tar(head: bytes) -> bool:
    """By the mark of POSIX and GNU archives, or the checksum of those before them."""
    if head[257:262] == b"ustar":
        return True
    if len(head) < 512:
        return False
    try:
        return tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape").size >= 0 and head[0] != 0
    except tarfile.HeaderError:
        return False


def _unpack(stream: IO[bytes], package: Package, bounds: Bounds) -> None:
    left = bounds.bytes
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for count, member in enumerate(archive):
            if count >= bounds.files:
                package.reason = "too_many_files"
                return
            if member.isdir():
                continue
            name = safe_name(member.name)
            if name is None or not member.isreg():
                package.unsafe += 1
                continue
            if not _may_be_tex(name):
                package.other_names.append(name)
                continue
            left -= member.size
            if left < 0:
                raise _TooLargeError
            file = archive.extractfile(member)
            content = file.read() if file else b""
            if reason_by_signature(content):
                package.other_names.append(name)
            else:
                package.files[name] = content


def _single_file(stream: IO[bytes], head: bytes, name: str, package: Package, bounds: Bounds) -> None:
    package.reason = reason_by_signature(head)
    if not package.reason:
        content = stream.read(bounds.bytes + 1)
        if len(content) > bounds.bytes:
            raise _TooLargeError
        package.files[safe_name(name) or "paper"] = content


def safe_name(name: str) -> str | None:
    """The name of a member relative to the package, or None when it leads out of it."""
    if "\0" in name or "\\" in name or re.match(r"/|[a-zA-Z]:", name) or len(name) > 1000:
        return None
    normal = posixpath.normpath(name)
    return None if normal in (".", "..") or normal.startswith("../") else normal


def _may_be_tex(name: str) -> bool:
    base = posixpath.basename(name)
    if base.startswith("._") or "__MACOSX" in name:  # a Mac's notes about a file
        return False
    return posixpath.splitext(base)[1].lower() in _TEX_SUFFIXES or _README.fullmatch(base) is not None


def reason_by_signature(head: bytes) -> str:
    """Which reason the first bytes of a file give, "" when it may be TeX."""
    for signature, reason in _SIGNATURES:
        if head.startswith(signature) and not (signature == b"%!" and b"PS" not in head[:16]):
            return reason
    beginning = head[:512].lstrip()[:15].lower()
    if beginning.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "html_only"
    return "unsupported_format" if head[:64].count(0) > 8 else ""


def _has_tex(package: Package) -> bool:
    return any(not _README.fullmatch(posixpath.basename(name)) for name in package.files)


def _why_no_tex(package: Package) -> str:
    suffixes = {posixpath.splitext(name)[1].lower() for name in package.other_names}
    for reason, of in (("pdf_only", {".pdf"}), ("postscript_only", {".ps", ".eps"}), ("html_only", {".html", ".htm"})):
        if suffixes & of:
            return reason
    return "no_main_file" if not package.other_names else "unsupported_format"


def packages_in(stream: Any, bounds: Bounds) -> Iterator[tuple[str, bytes | None]]:
    """``(name, bytes)`` of the packages in a monthly archive; None instead of the bytes of one that is beyond the bounds.

    Raises:
        EOFError, tarfile.TarError: The archive is damaged or cut short.
    """
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if not member.isreg():
                continue
            if member.size > 16 * bounds.bytes:
                yield member.name, None
                continue
            file = archive.extractfile(member)
            content = file.read() if file else b""
            if len(content) < member.size:
                raise EOFError("the archive ends within a package")
            yield member.name, content
