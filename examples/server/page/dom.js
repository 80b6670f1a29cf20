// Makes elements. Texts become text nodes, never markup.

/**
 * An element of this tag. Names with a dash and `role`, `for`, `class` are attributes, `on` holds listeners, `testid`
 * is what tests find it by; everything else is a property. Children that are null or false are left out.
 */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === 'testid') {
      element.dataset.testid = value;
    } else if (name.includes('-') || name === 'role' || name === 'for' || name === 'class' || name === 'list') {
      element.setAttribute(name, value);
    } else {
      element[name] = value;
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets a text, and touches nothing when it is there already: screen readers tell a live region only of changes. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows an element, or hides it. */
export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}

let lastId = 0;

/** An id that no other element has. */
export function freshId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

/**
 * Marks a button as working until `work` is done, and lets it do nothing meanwhile. It stays focusable, so that the
 * keyboard does not lose its place.
 */
export async function whileBusy(button, work) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  button.setAttribute('aria-disabled', 'true');
  try {
    await work();
  } finally {
    button.removeAttribute('aria-disabled');
  }
}
