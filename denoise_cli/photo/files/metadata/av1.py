"""What the headers of an AV1 picture say: its colours, and whether it is stored without loss.

Names and order are those of the AV1 bitstream specification, sections 5.5 and 5.9.
"""

from __future__ import annotations

from dataclasses import dataclass

_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6
_UNSPECIFIED, _SELECT = 2, 2


@dataclass(slots=True)
class Av1:
    """The headers of a picture.

    Attributes:
        primaries, transfer, matrix: As numbered in ITU-T H.273; 2 is not said.
        grey: Whether there is brightness only.
        full_range: Whether black is 0 rather than 16 of 255.
        lossless: Whether the pixels are stored without loss.
    """

    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED
    matrix: int = _UNSPECIFIED
    grey: bool = False
    full_range: bool = True
    lossless: bool = False


def read_av1(data: bytes) -> Av1 | None:
    """The headers at the start of a picture's data; None where there are none, or they are damaged."""
    result, sequence = Av1(), None
    try:
        place = 0
        while place < len(data):
            kind, extended, sized = data[place] >> 3 & 15, data[place] & 4, data[place] & 2
            place += 2 if extended else 1
            size = len(data) - place
            if sized:
                size, place = _leb128(data, place)
            bits = _Bits(data[place : place + size])
            if kind == _SEQUENCE:
                sequence = _Sequence(bits, result)
            elif kind in {_FRAME, _FRAME_HEADER} and sequence is not None:
                result.lossless = sequence.is_lossless(bits)
                return result
            place += size
    except IndexError:
        pass
    return result if sequence is not None else None


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def __call__(self, count: int = 1) -> int:
        value = 0
        for place in range(self._place, self._place + count):
            value = value << 1 | self._data[place >> 3] >> (7 - place & 7) & 1
        self._place += count
        return value

    def uvlc(self) -> None:
        zeros = 0
        while not self():
            zeros += 1
        self(zeros)

    def below(self, count: int) -> int:
        """A number from 0 to count - 1, as long as it needs to be."""
        width = count.bit_length()
        short = (1 << width) - count
        value = self(width - 1)
        return value if value < short else (value << 1) - short + self()


class _Sequence:
    """The sequence header; fills in the colours of `result`."""

    def __init__(self, bits: _Bits, result: Av1) -> None:
        profile = bits(3)
        bits()
        self.reduced = bits()
        self.decoder_model = self.equal_interval = self.frame_ids = 0
        self.removal_length = self.presentation_length = 0
        self.points: list[int] = []
        self.screen, self.integer, self.order_hint = _SELECT, _SELECT, 0
        if self.reduced:
            bits(5)
        else:
            self._operating_points(bits)
        width, height = bits(4) + 1, bits(4) + 1
        self.width, self.height = bits(width) + 1, bits(height) + 1
        if not self.reduced and bits():
            delta = bits(4) + 2
            self.frame_ids = bits(3) + delta + 1
        self.large_blocks = bits()
        bits(2)
        if not self.reduced:
            self._tools(bits)
        self.superres = bits()
        bits(2)
        self._colours(bits, profile, result)

    def _operating_points(self, bits: _Bits) -> None:
        delay_length = 0
        if bits():
            bits(64)
            self.equal_interval = bits()
            if self.equal_interval:
                bits.uvlc()
            self.decoder_model = bits()
            if self.decoder_model:
                delay_length = bits(5) + 1
                bits(32)
                self.removal_length, self.presentation_length = bits(5) + 1, bits(5) + 1
        display_delay = bits()
        for _ in range(bits(5) + 1):
            bits(12)
            if bits(5) > 7:
                bits()
            has_model = bits() if self.decoder_model else 0
            if has_model:
                bits(2 * delay_length + 1)
            self.points.append(has_model)
            if display_delay and bits():
                bits(4)

    def _tools(self, bits: _Bits) -> None:
        bits(4)
        hints = bits()
        if hints:
            bits(2)
        self.screen = _SELECT if bits() else bits()
        if self.screen:
            self.integer = _SELECT if bits() else bits()
        if hints:
            self.order_hint = bits(3) + 1

    def _colours(self, bits: _Bits, profile: int, result: Av1) -> None:
        deep = bits()
        twelve = bits() if profile == 2 and deep else 0
        self.grey = 0 if profile == 1 else bits()
        result.grey = bool(self.grey)
        if bits():
            result.primaries, result.transfer, result.matrix = bits(8), bits(8), bits(8)
        self.separate = 0
        if self.grey:
            result.full_range = bool(bits())
            return
        half = (0, 0)
        if (result.primaries, result.transfer, result.matrix) != (1, 13, 0):
            result.full_range = bool(bits())
            half = {0: (1, 1), 1: (0, 0)}.get(profile, (1, 0))
            if profile == 2 and twelve:
                across = bits()
                half = across, bits() if across else 0
        if half == (1, 1):
            bits(2)
        self.separate = bits()

    def is_lossless(self, bits: _Bits) -> bool:
        """Whether a frame whose header this is has a quantiser of 1."""
        if not self.reduced:
            if bits():
                return False
            if bits(2):  # no key frame
                return False
            shown = bits()
            if shown and self.decoder_model and not self.equal_interval:
                bits(self.presentation_length)
            if not shown:
                return False
        no_update = bits()
        screen = bits() if self.screen == _SELECT else self.screen
        if screen and self.integer == _SELECT:
            bits()
        bits(self.frame_ids)
        other_size = 0 if self.reduced else bits()
        bits(self.order_hint)
        if self.decoder_model and bits():
            bits(self.removal_length * sum(self.points))
        return not self._quantiser(bits, other_size, screen, no_update)

    def _quantiser(self, bits: _Bits, other_size: int, screen: int, no_update: int) -> int:
        """The base quantiser, to which the offsets' presence adds."""
        if other_size:
            return 1
        scaled = bits() if self.superres else 0
        if scaled:
            return 1
        if bits():
            bits(32)
        if screen:
            bits()
        if not (self.reduced or no_update):
            bits()
        self._tiles(bits)
        base, offsets = bits(8), bits()
        if not self.grey and not offsets:
            different = bits() if self.separate else 0
            offsets = sum(bits() for _ in range(4 if different else 2)) if not different else 1
        return base + offsets

    def _tiles(self, bits: _Bits) -> None:
        shift = 5 if self.large_blocks else 4
        columns, rows = (-(-2 * ((side + 7) >> 3) >> shift) for side in (self.width, self.height))
        widest = 4096 >> (shift + 2)
        fewest = max(_log2(widest, columns), _log2(4096 * 2304 >> 2 * (shift + 2), rows * columns))
        if bits():
            across = _log2(widest, columns)
            while across < _log2(1, min(columns, 64)) and bits():
                across += 1
            down = max(fewest - across, 0)
            while down < _log2(1, min(rows, 64)) and bits():
                down += 1
        else:
            widths = _uneven(bits, columns, widest)
            area = rows * columns >> (fewest + 1 if fewest else 0)
            heights = _uneven(bits, rows, max(area // max(widths), 1))
            across, down = _log2(1, len(widths)), _log2(1, len(heights))
        if across or down:
            bits(across + down + 2)


def _uneven(bits: _Bits, total: int, most: int) -> list[int]:
    sides: list[int] = []
    while sum(sides) < total:
        sides.append(bits.below(min(total - sum(sides), most)) + 1)
    return sides


def _log2(block: int, target: int) -> int:
    return next(k for k in range(64) if block << k >= target)


def _leb128(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for step in range(8):
        value |= (data[place] & 127) << 7 * step
        place += 1
        if data[place - 1] < 128:
            break
    return value, place
