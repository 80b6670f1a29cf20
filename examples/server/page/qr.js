// Draws a QR code. Onto a canvas: the page's policy loads no images but its own files, and no copy stays behind.

/** Draws a base64 PNG, with nothing between its pixels smoothed. */
export async function drawQr(canvas, base64) {
  const bytes = Uint8Array.from(atob(base64.replace(/^data:image\/png;base64,/, '')), (c) => c.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext('2d').drawImage(bitmap, 0, 0);
  bitmap.close();
}

/** Leaves nothing of it: what has expired must not be scanned. */
export function blank(canvas) {
  canvas.width = 1;
  canvas.height = 1;
}
