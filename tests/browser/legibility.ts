/**
 * Whether a display can be read as it stands in the page: enough contrast, nothing that sticks out of
 * its output. Measured in the browser, from what it computed.
 */

/** What is wrong with a display, in words. */
export type Flaw = string;

/**
 * An expression about `node`, the element of a cell's outputs, that gives its flaws. The contrast is
 * that of WCAG 2.2, 1.4.3: 4.5 for text, of the colours that the browser paints, laid over each other.
 */
export const FLAWS = `(() => {
  const flaws = [];
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  // Any CSS colour as red, green, blue and opacity.
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = "#000";
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] > 0) layers.push(color);
      if (color[3] === 1) break;
    }
    return layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (color) => {
    const [r, g, b] = color.map((v) => v / 255)
      .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const inside = node.getBoundingClientRect();
  for (const view of node.querySelectorAll(".dipper-view")) {
    const { left, right } = view.getBoundingClientRect();
    if (right > inside.right + 1 || left < inside.left - 1) flaws.push("the display sticks out");
    if (view.scrollWidth > view.clientWidth + 1) flaws.push("something in it sticks out");
    const walker = document.createTreeWalker(view, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode;
      const element = text.parentElement;
      if (!text.data.trim() || element.closest("style")) continue;
      const ground = behind(element);
      const ink = over(rgba(getComputedStyle(element).color), ground);
      const [bright, dark] = [light(ink), light(ground)].sort((a, b) => b - a);
      const contrast = (bright + 0.05) / (dark + 0.05);
      if (contrast < 4.5) {
        flaws.push("contrast " + contrast.toFixed(2) + " of " + JSON.stringify(text.data.slice(0, 40)));
      }
    }
  }
  return flaws;
})()`;
