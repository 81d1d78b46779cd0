// A form shows a field only when it matters: `data-when-to="shift offset"` follows the field named "to".

export function start() {
  document.addEventListener("submit", sendOnce);
  for (const select of document.querySelectorAll("select[data-reload]")) {
    select.addEventListener("change", () => location.assign(`?${reloaded(select)}`));
  }
  for (const form of document.querySelectorAll("form")) {
    const waiting = [...form.querySelectorAll(".field")].map((field) => [field, condition(field)]).filter(([, when]) => when);
    if (!waiting.length) continue;
    const follow = () => {
      for (const [field, { name, answers }] of waiting) field.hidden = !answers.includes(form.elements[name]?.value);
    };
    form.addEventListener("change", follow);
    follow();
  }
}

const DOUBLE_CLICK_MS = 2000;
const sentAt = new WeakMap();

/** The second half of a double click would ask for the same once more. */
function sendOnce(event) {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (performance.now() - (sentAt.get(form) ?? -Infinity) < DOUBLE_CLICK_MS) event.preventDefault();
  else sentAt.set(form, performance.now());
}

/** What is chosen here, and in the fields that it goes with: the rest is filled in anew. */
function reloaded(select) {
  const names = new Set([...(select.dataset.reloadWith ?? "").split(" "), select.dataset.reload].filter(Boolean));
  return new URLSearchParams([...names].map((name) => [name, select.form.elements[name].value]));
}

function condition(field) {
  for (const { name, value } of field.attributes) {
    if (name.startsWith("data-when-")) return { name: name.slice("data-when-".length), answers: value.split(" ") };
  }
  return null;
}
