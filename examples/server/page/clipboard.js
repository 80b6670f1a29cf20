// Copies a text that is shown.

/** Copies; on origins without a clipboard (plain http) by way of a selection. Whether it worked. */
export async function copy(text, shownIn) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(shownIn);
    return document.execCommand('copy');
  }
}
