"""XMP packets: the long ones of JPEG files, and what they announce beside the picture."""

from __future__ import annotations

import hashlib
import re

# Gain maps and the parts of a file that follow the picture, motion photos among them.
_ANNOUNCING = r"(?:hdrgm|HDRGainMap|Container|Item|GContainer|GContainerItem)"
_MOTION = r"GCamera:(?:MicroVideo|MotionPhoto)\w*"
_ANNOUNCEMENTS = [
    re.compile(pattern.encode(), re.DOTALL)
    for pattern in (
        r"<(G?Container:Directory)\b[^>]*?(?:/>|>.*?</\1\s*>)",
        rf"<((?:hdrgm:\w+|{_MOTION}))\b[^>]*?(?:/>|>.*?</\1\s*>)",
        rf"\s+(?:hdrgm:\w+|{_MOTION})\s*=\s*(?:\"[^\"]*\"|'[^']*')",
        rf"\s+xmlns:{_ANNOUNCING}\s*=\s*(?:\"[^\"]*\"|'[^']*')",
    )
]
_GUID = re.compile(rb"\s*xmpNote:HasExtendedXMP\s*=\s*[\"']([0-9A-Fa-f]{32})[\"']")
_GUID_ELEMENT = re.compile(rb"\s*<xmpNote:HasExtendedXMP>\s*([0-9A-Fa-f]{32})\s*</xmpNote:HasExtendedXMP>")
_RDF = re.compile(rb"<rdf:RDF\b[^>]*>(.*)</rdf:RDF\s*>", re.DOTALL)
_POINTER = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="%s"/></rdf:RDF></x:xmpmeta>'
    b'<?xpacket end="w"?>'
)


def announces(xmp: bytes) -> bool:
    """Whether the packet says that a gain map, a video or other parts follow the picture."""
    return any(pattern.search(xmp) for pattern in _ANNOUNCEMENTS[:3])


def unannounced(xmp: bytes) -> bytes:
    """The packet without word of parts that are not in the new file."""
    if announces(xmp):
        for pattern in _ANNOUNCEMENTS:
            xmp = pattern.sub(b"", xmp)
    return xmp


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
    inner, end = _RDF.search(extended), xmp.rfind(b"</rdf:RDF")
    if inner is None or end < 0:
        return xmp
    xmp = xmp[:end] + inner[1] + xmp[end:]
    return _GUID_ELEMENT.sub(b"", _GUID.sub(b"", xmp))
