"""Turns what `tmux capture-pane -ep` prints into an SVG picture: a terminal's window with its text in it.

Usage: screen_to_svg.py TITLE <capture >picture.svg
"""

import re
import sys
import unicodedata
from html import escape

CELL_WIDTH, CELL_HEIGHT, BASELINE, BAR, MARGIN = 8.4, 18, 13.5, 30, 10
FOREGROUND, BACKGROUND = "#e0e2ea", "#14161b"
# Neovim's own sixteen, for text in the terminal's colours.
SIXTEEN = (
    "#07080d #ffc0b9 #b3f6c0 #fce094 #a6dbff #ffcaff #8cf8f7 #eef1f8"
    " #4f5258 #ffc0b9 #b3f6c0 #fce094 #a6dbff #ffcaff #8cf8f7 #eef1f8"
).split()
ESCAPE = re.compile(r"\x1b\[([0-9;:]*)m|\x1b\].*?(?:\x1b\\|\x07)|\x1b[()].|[\x0e\x0f]")


def indexed(number):
    """The colour of xterm's 256."""
    if number < 16:
        return SIXTEEN[number]
    if number >= 232:
        level = 8 + 10 * (number - 232)
        return f"#{level:02x}{level:02x}{level:02x}"
    number -= 16
    steps = [0, 95, 135, 175, 215, 255]
    return "#%02x%02x%02x" % (steps[number // 36], steps[number // 6 % 6], steps[number % 6])


class Style:
    """How text looks from here on."""

    def __init__(self):
        self.fg = self.bg = None
        self.bold = self.italic = self.underline = self.reverse = False

    def apply(self, parameters):
        codes = [int(code or 0) for code in re.split("[;:]", parameters)] or [0]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.__init__()
            elif code in (1, 22):
                self.bold = code == 1
            elif code in (3, 23):
                self.italic = code == 3
            elif code in (4, 24):
                self.underline = code == 4
            elif code in (7, 27):
                self.reverse = code == 7
            elif code in (38, 48):
                colour = self.extended(codes)
                if code == 38:
                    self.fg = colour
                else:
                    self.bg = colour
            elif code in (39, 49):
                if code == 39:
                    self.fg = None
                else:
                    self.bg = None
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.fg = SIXTEEN[code % 10 + (8 if code >= 90 else 0)]
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self.bg = SIXTEEN[code % 10 + (8 if code >= 100 else 0)]

    @staticmethod
    def extended(codes):
        if codes and codes.pop(0) == 5:
            return indexed(codes.pop(0))
        red, green, blue = codes[:3]
        del codes[:3]
        return f"#{red:02x}{green:02x}{blue:02x}"

    def colours(self):
        fg, bg = self.fg or FOREGROUND, self.bg or BACKGROUND
        return (bg, fg) if self.reverse else (fg, bg)


def width(text):
    """Cells that a text takes."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def runs(line, style):
    """The pieces of a line that look alike: column, cells, text, and how."""
    column, position = 0, 0
    for found in [*ESCAPE.finditer(line), None]:
        text = line[position : found.start() if found else len(line)]
        if text:
            yield column, width(text), text, style
            column += width(text)
        if found:
            if found.group(1) is not None:
                style.apply(found.group(1))
            position = found.end()


def draw(lines, title):
    style, boxes, texts, columns = Style(), [], [], 0
    for row, line in enumerate(lines):
        top = BAR + MARGIN + row * CELL_HEIGHT
        for column, cells, text, look in runs(line, style):
            fg, bg = look.colours()
            left, length = MARGIN + column * CELL_WIDTH, cells * CELL_WIDTH
            columns = max(columns, column + cells)
            if bg != BACKGROUND:
                boxes.append(
                    f'<rect x="{left:.1f}" y="{top}" width="{length:.1f}" height="{CELL_HEIGHT}" fill="{bg}"/>'
                )
            for word in re.finditer(r"\S+(?: \S+)*", text):
                extra = ' font-weight="bold"' if look.bold else ""
                extra += ' font-style="italic"' if look.italic else ""
                extra += ' text-decoration="underline"' if look.underline else ""
                # Gaps are left to the cells' own places: renderers disagree about spaces in a row.
                start = left + width(text[: word.start()]) * CELL_WIDTH
                length = width(word.group()) * CELL_WIDTH
                texts.append(
                    f'<text x="{start:.1f}" y="{top + BASELINE:.1f}" textLength="{length:.1f}" fill="{fg}"{extra}>'
                    f"{escape(word.group())}</text>"
                )
    wide = columns * CELL_WIDTH + 2 * MARGIN
    high = BAR + 2 * MARGIN + len(lines) * CELL_HEIGHT
    dots = "".join(
        f'<circle cx="{18 + 18 * number}" cy="15" r="5.5" fill="{colour}"/>'
        for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}" width="{wide:.0f}" '
            f'role="img" aria-label="{escape(title, quote=True)}">',
            f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
            dots,
            f'<text x="50%" y="19" text-anchor="middle" fill="#9b9ea4" font-family="sans-serif" font-size="12">'
            f"{escape(title)}</text>",
            *boxes,
            '<g font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="14">',
            *texts,
            "</g>",
            "</svg>",
            "",
        ]
    )


def main():
    lines = sys.stdin.read().split("\n")
    while lines and not lines[-1]:
        lines.pop()
    sys.stdout.write(draw(lines, sys.argv[1]))


main()
