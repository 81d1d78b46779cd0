// A slider says its value beside it, rounded to its own step; what stands at the start is kept exactly.

export function start() {
  for (const slider of document.querySelectorAll(".knob input[type=range]")) {
    const output = slider.parentElement.querySelector("output");
    const step = Number(slider.dataset.step) || 1;
    slider.addEventListener("input", () => {
      const rounded = Math.round(Number(slider.value) / step) * step;
      const value = Math.min(Number(slider.max), Number(rounded.toFixed(4)));
      slider.value = value;
      output.textContent = `${value} ${output.dataset.unit}`;
    });
  }
}
