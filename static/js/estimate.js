// How long an experiment would take, as it is filled in.

export function start() {
  const output = document.querySelector("[data-estimate]");
  if (!output) return;
  const { values, repetitions, warm_up_s: warmUp, window_s: window } = output.closest("form").elements;
  const follow = () => {
    const count = values.value.split(",").filter((text) => text.trim()).length;
    const seconds = count * Number(repetitions.value) * (Number(warmUp.value) + Number(window.value));
    output.textContent = Number.isFinite(seconds) ? spelt(seconds) : "";
  };
  output.closest("form").addEventListener("input", follow);
  follow();
}

/** As the server says durations: the two largest units. */
function spelt(seconds) {
  const whole = Math.round(seconds);
  for (const [size, name, innerSize, inner] of [[3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
    if (whole < size) continue;
    const rest = Math.floor((whole % size) / innerSize);
    return `${Math.floor(whole / size)} ${name}${rest ? ` ${rest} ${inner}` : ""}`;
  }
  return `${whole} s`;
}
