"""Plain SVG: horizontal bars of ratios on a logarithmic axis with the mark to reach, and lines over a variable."""
import math
from xml.sax.saxutils import escape

INK, FAINT, GOOD, SHORT_OF, OPEN = "#222", "#ccc", "#4a7a4a", "#b5651d", "#888"
FONT = 'font-family="sans-serif" font-size="11"'
LEFT, RIGHT, WIDTH, ROW = 290, 150, 900, 17


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
    """rows: (label, [(ratio, reached or None), ...], sign, goal, peer): the first ratio is a bar, further ones (8 bits) diamonds."""
    values = [v for _, ratios, _, goal, _ in rows for v in [goal, *(r for r, _ in ratios)]]
    low, high = min([0.5, *values]) / 1.2, max([2, *values]) * 1.2
    x, height = log_axis(low, high, LEFT, WIDTH - RIGHT), 78 + ROW * len(rows)
    parts = []
    for t in ticks(low, high):
        parts += [line(x(t), 46, x(t), height - 24, INK if t == 1 else FAINT, 0.8), text(x(t), 42, f"{t:g}", "middle", OPEN)]
    for i, (label, ratios, sign, goal, peer) in enumerate(rows):
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
        first = f"{ratios[0][0]:.2f} ({sign} {goal:g}) {peer}" if ratios else "not measured"
        parts.append(text(WIDTH - RIGHT + 6, y + 10, first, fill=INK if ratios else OPEN))
    legend = [(GOOD, "reached"), (SHORT_OF, "not reached"), (OPEN, "open: a peer was not measured")]
    for i, (color, words) in enumerate(legend):
        parts += [f'<rect x="{10 + 95 * i}" y="{height - 16}" width="9" height="9" fill="{color}"/>', text(23 + 95 * i, height - 8, words)]
    parts.append(text(WIDTH - 10, height - 8, "bar: ours to the peer; diamond: in 8 bits; black mark: to reach", "end"))
    return page(WIDTH, height, title, parts)


# --- lines ---

COLORS = ["#4a7a4a", "#b5651d", "#3b5b92"]
PANEL_W, PANEL_H, GAP = 380, 240, 70


def panel(left, top, title, xs, curves):
    """Lines over `xs`, both axes logarithmic; curves: {name: {x: value}}."""
    values = [v for points in curves.values() for v in points.values()]
    if not values:
        return [text(left, top - 8, f"{title}: not measured", fill=OPEN)]
    low, high = min(values) / 1.3, max(values) * 1.3
    x, y = log_axis(min(xs) / 1.1, max(xs) * 1.1, left, left + PANEL_W), log_axis(low, high, top + PANEL_H, top)
    parts = [text(left, top - 8, title)]
    for t in ticks(low, high):
        parts += [line(left, y(t), left + PANEL_W, y(t), FAINT, 0.8), text(left - 6, y(t) + 4, f"{t:g}", "end", OPEN)]
    parts += [text(x(v), top + PANEL_H + 16, f"{v:g}", "middle", OPEN) for v in xs]
    for color, (name, points) in zip(COLORS, curves.items(), strict=False):
        at = [(x(v), y(points[v])) for v in sorted(points)]
        parts.append(f'<polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in at)}" fill="none" stroke="{color}" stroke-width="1.8"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.6" fill="{color}"/>' for a, b in at]
    return parts


def panels(title, xlabel, xs, named):
    """named: [(title of a panel, {name: {x: value}})], side by side."""
    width, height = GAP + len(named) * (PANEL_W + GAP), PANEL_H + 130
    parts = []
    for i, (panel_title, curves) in enumerate(named):
        left = GAP + i * (PANEL_W + GAP)
        parts += [*panel(left, 60, panel_title, xs, curves), text(left + PANEL_W, 60 + PANEL_H + 34, xlabel, "end")]
        for j, (color, name) in enumerate(zip(COLORS, curves, strict=False)):
            parts.append(text(left + 115 * j, 60 + PANEL_H + 54, f"\u25cf {name}", fill=color))
    return page(width, height, title, parts)
