// Changes an element's content into new HTML by touching only what differs. So focus, scroll, open details, a typed
// search and marked text stay as they are. Children with data-key or id are matched by it, the others by place.

const template = document.createElement("template");

/** Make `element` contain `html`. */
export function patch(element, html) {
  template.innerHTML = html;
  const focused = document.activeElement;
  children(element, template.content);
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
  template.innerHTML = "";
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset?.key ?? (node.id || null) : null;
}

function alike(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
}

function children(from, to) {
  const keyed = new Map();
  for (const child of from.childNodes) {
    const key = keyOf(child);
    if (key !== null) keyed.set(key, child);
  }
  let here = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const key = keyOf(wanted);
    let found = key === null ? here : keyed.get(key);
    if (!found || !alike(found, wanted)) {
      from.insertBefore(wanted, here);
      continue;
    }
    if (found !== here) from.insertBefore(found, here);
    else here = here.nextSibling;
    node(found, wanted);
  }
  while (here) {
    const next = here.nextSibling;
    here.remove();
    here = next;
  }
}

function node(from, to) {
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.nodeValue !== to.nodeValue && !marked(from)) from.nodeValue = to.nodeValue;
    return;
  }
  attributes(from, to);
  children(from, to);
}

function attributes(from, to) {
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    const opened = name === "open" && from.nodeName === "DETAILS";
    if (!opened && !to.hasAttribute(name)) from.removeAttribute(name);
  }
}

/** Whether somebody has marked text in this node, to copy it: leave it until they are done. */
function marked(text) {
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && selection.containsNode(text, true);
}
