"""A sweep as a picture: throughput against latency, a mark for each value, the frontier, and today's setting."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.operations.kinds.experiment import shown
from streamlab.lab.experiments.frontier import Point, Sweep
from streamlab.lab.experiments.judging import label
from streamlab.lab.experiments.measuring import MEASURES

from .figures import Figure
from .plot import Axis, Box, Tick, around, figure, from_zero, place

WIDTH, HEIGHT = 760.0, 380.0
LEFT, RIGHT, TOP, BOTTOM = 84.0, 20.0, 18.0, 46.0
CHARACTER, LINE = 7.6, 18.0
"""Room that a character of a label takes, and a line."""


@dataclass(frozen=True)
class Dot:
    x: str
    y: str
    slot: int
    title: str


@dataclass(frozen=True)
class Spot:
    """One value: the mean of its windows."""

    x: str
    y: str
    slot: int
    label: str
    label_x: str
    label_y: str
    best: bool
    today: bool
    throughput: Figure
    latency: Figure
    title: str


@dataclass(frozen=True)
class SweepPicture:
    spots: list[Spot]
    dots: list[Dot]
    line: str  # the frontier, as points of a polyline: steps, since between two values there is nothing
    behind: str  # what lies behind it, as points of a polygon
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    x_title: str
    y_title: str
    about: str  # a sentence for those who cannot see it
    drawn: str  # "throughput out or end-to-end latency, p99"

    width, height = WIDTH, HEIGHT
    left, right, top = LEFT, WIDTH - RIGHT, TOP
    base = HEIGHT - BOTTOM
    middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2


def picture(sweep: Sweep, frontier: bool = True) -> SweepPicture:
    """`frontier`: whether it is drawn; where nothing was detected it would be drawn through chance."""
    flat = [window for point in sweep.points for window in point.windows]
    x = around([latency for latency, _ in flat], LEFT, WIDTH - RIGHT)
    y = from_zero([throughput for _, throughput in flat], HEIGHT - BOTTOM, TOP)
    units = MEASURES[sweep.latency].unit, MEASURES[sweep.throughput].unit
    best = [(x.at(p.latency), y.at(p.throughput)) for p in sweep.points if p.best]
    if not sweep.throughput_told:
        best = [(at_x, TOP) for at_x, _ in best]
    if not sweep.latency_told:
        best = [(LEFT, at_y) for _, at_y in best]
    steps = _steps(best) if frontier else []
    return SweepPicture(
        spots=_spots(sweep, x, y),
        dots=[_dot(p, window, x, y) for p in sweep.points for window in p.windows],
        line=_points(steps),
        behind=_points([*steps, (WIDTH - RIGHT, HEIGHT - BOTTOM)] if steps else []),
        x_ticks=[Tick(f"{x.at(v):.1f}", figure(v, units[0]).plain) for v in x.ticks()],
        y_ticks=[Tick(f"{y.at(v):.1f}", figure(v, "records").text) for v in y.ticks(5)],
        x_title=MEASURES[sweep.latency].label + ("" if not x.log else ", logarithmic"),
        y_title=f"{MEASURES[sweep.throughput].label}, {units[1]}",
        about=words(sweep) if frontier else f"{len(sweep.points)} values; none of them differs for certain.",
        drawn=f"{label(sweep.throughput)} or {label(sweep.latency)}",
    )


def _steps(best: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """From below the value with the least latency up, right, up … and to the right edge.

    >>> _steps([(100.0, 200.0), (300.0, 50.0)])
    [(100.0, 334.0), (100.0, 200.0), (300.0, 200.0), (300.0, 50.0), (740.0, 50.0)]
    """
    corners, low = [], HEIGHT - BOTTOM
    for at_x, at_y in sorted(best):
        corners += [(at_x, low), (at_x, at_y)]
        low = at_y
    return [*corners, (WIDTH - RIGHT, low)]


def _points(corners: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _spots(sweep: Sweep, x: Axis, y: Axis) -> list[Spot]:
    inside = Box(LEFT, 4, WIDTH - LEFT - 4, HEIGHT - BOTTOM)
    taken = [Box(x.at(p.latency) - 8, y.at(p.throughput) - 8, 16, 16) for p in sweep.points]
    spots = []
    for point in sweep.points:
        at_x, at_y = x.at(point.latency), y.at(point.throughput)
        name = shown(point.value) + (" (today)" if point.today else "")
        others = [b for b in taken if not _around(b, at_x, at_y)]
        gap = 16.0 if point.today else 9.0  # a ring is around it
        box = place(at_x, at_y, len(name) * CHARACTER, LINE, others, inside, gap)
        taken.append(box)
        throughput = figure(point.throughput, MEASURES[sweep.throughput].unit)
        latency = figure(point.latency, MEASURES[sweep.latency].unit)
        spots.append(
            Spot(
                x=f"{at_x:.1f}",
                y=f"{at_y:.1f}",
                slot=point.index % 8,
                label=name,
                label_x=f"{box.x:.1f}",
                label_y=f"{box.y + LINE * 0.74:.1f}",
                best=point.best,
                today=point.today,
                throughput=throughput,
                latency=latency,
                title=f"{name}: {throughput.plain} at {latency.plain}",
            )
        )
    return spots


def _around(box: Box, x: float, y: float) -> bool:
    return box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height and box.width == 16


def _dot(point: Point, window: tuple[float, float], x: Axis, y: Axis) -> Dot:
    latency, throughput = window
    title = f"{shown(point.value)}, one window: {throughput:,.0f}/s at {latency:.3g} ms"
    return Dot(f"{x.at(latency):.1f}", f"{y.at(throughput):.1f}", point.index % 8, title)


def detected(sweep: Sweep) -> bool:
    """Whether any value changed throughput or latency for certain; without it the picture shows chance."""
    return sweep.throughput_told or sweep.latency_told


def words(sweep: Sweep) -> str:
    """What the picture says: which values no other beats, and whether today's is one of them. By the means."""
    best = sorted((p for p in sweep.points if p.best), key=lambda p: p.latency)
    if not (sweep.throughput_told and sweep.latency_told):
        return _of_one(sweep, best)
    if len(best) == 1:
        said = (
            f"{shown(best[0].value)} is best in both: as much throughput and as little latency as any other."
        )
    else:
        names = [shown(p.value) for p in best]
        said = f"{', '.join(names[:-1])} and {names[-1]} lie on the frontier: between them it is a choice."
    today = next((p for p in sweep.points if p.today), None)
    if today is None:
        return said
    if today.best:
        return f"{said} Today's setting, {shown(today.value)}, lies on it." if len(best) > 1 else said
    better = min(
        (p for p in best if p.latency <= today.latency and p.throughput >= today.throughput),
        key=lambda p: -p.throughput,
    )
    return (
        f"{said} Today's setting, {shown(today.value)}, lies behind it: by the means of their windows "
        f"{shown(better.value)} is better in both."
    )


def _of_one(sweep: Sweep, best: list[Point]) -> str:
    """Where only throughput, or only latency, changed for certain: the other one is no reason to choose."""
    names = " and ".join(shown(p.value) for p in best)
    most, name, same = (
        ("the most", sweep.throughput, sweep.latency)
        if sweep.throughput_told
        else ("the least", sweep.latency, sweep.throughput)
    )
    other = (
        f"{label(same)} differs, but not for certain: more rounds decide"
        if sweep.leaning
        else f"no value changed {label(same)} for certain"
    )
    said = f"{names} has {most} {label(name)}; {other}."
    today = next((p for p in sweep.points if p.today and not p.best), None)
    if today is None:
        return said
    less = "less" if sweep.throughput_told else "more"
    return f"{said} Today's setting, {shown(today.value)}, has {less}, by the means of their windows."
