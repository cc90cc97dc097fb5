"""XMP packets: the long ones of JPEG files, and what they announce beside the picture."""

from __future__ import annotations

import hashlib
import re

# Gain maps and the parts of a file that follow the picture, motion photos among them. The patterns take
# time that is linear in the packet's length, whatever it holds.
_NAME = r"(?:hdrgm:\w+|G?Container:Directory|GCamera:(?:MicroVideo|MotionPhoto)\w*)"
_ELEMENT = re.compile(rf"<({_NAME})".encode())
_ATTRIBUTE = re.compile(rf"\s{_NAME}\s*=\s*(?:\"[^\"]*\"|'[^']*')".encode())
_PREFIX = re.compile(rb"\sxmlns:(?:hdrgm|G?Container|GContainerItem|Item)\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_GUID = re.compile(rb"\sxmpNote:HasExtendedXMP\s*=\s*[\"']([0-9A-Fa-f]{32})[\"']")
_GUID_ELEMENT = re.compile(rb"<xmpNote:HasExtendedXMP>([0-9A-Fa-f]{32})</xmpNote:HasExtendedXMP>")
# A packet has a handful of such names.
_MOST_NAMES = 64
_POINTER = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="%s"/></rdf:RDF></x:xmpmeta>'
    b'<?xpacket end="w"?>'
)


def announces(xmp: bytes) -> bool:
    """Whether the packet says that a gain map, a video or other parts follow the picture."""
    return bool(_ELEMENT.search(xmp) or _ATTRIBUTE.search(xmp))


def unannounced(xmp: bytes) -> bytes:
    """The packet without word of parts that are not in the new file."""
    if not announces(xmp):
        return xmp
    for name in list(dict.fromkeys(_ELEMENT.findall(xmp)))[:_MOST_NAMES]:
        xmp = _without(xmp, name)
    return _PREFIX.sub(b"", _ATTRIBUTE.sub(b"", xmp))


def _without(xmp: bytes, name: bytes) -> bytes:
    """The packet without the elements of a name."""
    parts, place = [], 0
    while (start := xmp.find(b"<" + name, place)) >= 0:
        end = xmp.find(b">", start)
        if xmp[end - 1 : end] != b"/":
            close = xmp.find(b"</" + name, end)
            end = xmp.find(b">", close) if close >= 0 else -1
        if end < 0:
            break
        parts.append(xmp[place:start])
        place = end + 1
    return b"".join(parts) + xmp[place:]


def split(xmp: bytes) -> tuple[bytes, bytes, bytes]:
    """A packet that is too long for one JPEG segment as a short one, a long one, and the latter's name."""
    start = xmp.find(b"<x:xmpmeta")
    end = xmp.rfind(b"</x:xmpmeta>")
    body = xmp[start : end + len(b"</x:xmpmeta>")] if 0 <= start < end else xmp
    name = hashlib.md5(body, usedforsecurity=False).hexdigest().upper().encode()
    return _POINTER % name, body, name


def extended_name(xmp: bytes) -> bytes:
    """The name of the extended packet that a packet points to; empty if it points to none."""
    found = _GUID.search(xmp) or _GUID_ELEMENT.search(xmp)
    return found[1] if found else b""


def join(xmp: bytes, extended: bytes) -> bytes:
    """One packet of a short one and the extended one that it points to."""
    start, stop, end = extended.find(b"<rdf:RDF"), extended.rfind(b"</rdf:RDF"), xmp.rfind(b"</rdf:RDF")
    start = extended.find(b">", start) + 1 if start >= 0 else 0
    if not 0 < start <= stop or end < 0:
        return xmp
    xmp = xmp[:end] + extended[start:stop] + xmp[end:]
    return _GUID_ELEMENT.sub(b"", _GUID.sub(b"", xmp))
