// Where samples are missing a line breaks, and its area with it, instead of pretending.

export const GAP_MS = 3500; // samples of a second further apart than this have a hole between them

/** The points of a line, with a null in every hole. Samples are `step` ms apart. */
export function withGaps({ t, y }, step = 1000) {
  const hole = GAP_MS * step / 1000;
  const x = [];
  const out = [];
  t.forEach((at, i) => {
    if (i && at - t[i - 1] > hole) {
      x.push(t[i - 1] + 1);
      out.push(null);
    }
    x.push(at);
    out.push(y[i]);
  });
  return { x, y: out };
}

/** The outline of the area below a line: down to zero before every hole and up again behind it. */
export function outline(column, step) {
  const { x, y } = withGaps(column, step);
  const area = { x: [], y: [] };
  const add = (at, value) => { area.x.push(at); area.y.push(value); };
  y.forEach((value, i) => {
    if (value === null) return;
    if (i === 0 || y[i - 1] === null) add(x[i], 0);
    add(x[i], value);
    if (i === y.length - 1 || y[i + 1] === null) add(x[i], 0);
  });
  return area;
}
