"""Plain SVG: horizontal bars of ratios on a logarithmic axis with the mark to reach, and lines over a variable."""
import math
from xml.sax.saxutils import escape

INK, FAINT, GOOD, SHORT_OF, OPEN = "#222", "#ccc", "#4a7a4a", "#b5651d", "#888"
FONT = 'font-family="sans-serif" font-size="11"'
LEFT, RIGHT, WIDTH, ROW = 300, 90, 860, 17


def text(x, y, words, anchor="start", fill=INK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" {more}>{escape(words)}</text>'


def line(x1, y1, x2, y2, stroke, width=1.0):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width:g}"/>'


def page(width, height, title, parts):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" {FONT}>',
                      f'<rect width="{width}" height="{height}" fill="white"/>', text(10, 20, title, more='font-weight="bold"'), *parts,
                      "</svg>", ""])


def ticks(low, high):
    """Round numbers of a logarithmic axis."""
    return [m * 10.0 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for m in (1, 2, 5)
            if low <= m * 10.0 ** e <= high]


def log_axis(low, high, start, end):
    scale = (end - start) / math.log(high / low)
    return lambda value: start + scale * math.log(min(max(value, low), high) / low)


# --- bars ---


def bars(title, rows):
    """rows: (label, [(ratio, reached or None), ...], goal, peer): the first ratio is a bar, further ones (8 bits) diamonds."""
    values = [v for _, ratios, goal, _ in rows for v in [goal, *(r for r, _ in ratios)]]
    low, high = min([0.5, *values]) / 1.2, max([2, *values]) * 1.2
    x, height = log_axis(low, high, LEFT, WIDTH - RIGHT), 78 + ROW * len(rows)
    parts = []
    for t in ticks(low, high):
        parts += [line(x(t), 46, x(t), height - 24, INK if t == 1 else FAINT, 0.8), text(x(t), 42, f"{t:g}", "middle", OPEN)]
    for i, (label, ratios, goal, peer) in enumerate(rows):
        y = 52 + ROW * i
        parts.append(text(LEFT - 8, y + 10, label, "end"))
        for j, (ratio, reached) in enumerate(ratios):
            color = {True: GOOD, False: SHORT_OF, None: OPEN}[reached]
            if j == 0:
                a, b = sorted((x(1), x(ratio)))
                parts.append(f'<rect x="{a:.1f}" y="{y + 1}" width="{max(b - a, 1):.1f}" height="{ROW - 6}" fill="{color}"/>')
            else:
                parts.append(f'<path d="M{x(ratio):.1f} {y + 1}l5 5.5l-5 5.5l-5 -5.5z" fill="white" stroke="{color}" stroke-width="1.6"/>')
        parts.append(line(x(goal), y - 1, x(goal), y + ROW - 4, INK, 2.2))
        first = f"{ratios[0][0]:.2f} {peer}" if ratios else "not measured"
        parts.append(text(WIDTH - RIGHT + 6, y + 10, first, fill=INK if ratios else OPEN))
    legend = [(GOOD, "reached"), (SHORT_OF, "not reached"), (OPEN, "open: a peer was not measured")]
    for i, (color, words) in enumerate(legend):
        parts += [f'<rect x="{10 + 95 * i}" y="{height - 16}" width="9" height="9" fill="{color}"/>', text(23 + 95 * i, height - 8, words)]
    parts.append(text(WIDTH - 10, height - 8, "black mark: to reach; diamond: in 8 bits", "end"))
    return page(WIDTH, height, title, parts)
