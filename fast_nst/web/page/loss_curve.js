// The loss of a training over time, as a curve.

import { say } from "./words.js";

const WIDTH = 200;
const HEIGHT = 60;
const MARGIN = 2;

const rounded = (value) => Number(value.toPrecision(3));

/** Points [seconds, loss] as the `d` of an SVG path; losses in a logarithmic scale. */
function curveOf(losses) {
  const values = losses.map(([, loss]) => Math.log(Math.max(loss, Number.MIN_VALUE)));
  const least = Math.min(...values);
  const range = Math.max(...values) - least || 1;
  const [first] = losses[0];
  const duration = losses.at(-1)[0] - first || 1;
  const points = losses.map(([seconds], i) => {
    const x = MARGIN + ((WIDTH - 2 * MARGIN) * (seconds - first)) / duration;
    const y = HEIGHT - MARGIN - ((HEIGHT - 2 * MARGIN) * (values[i] - least)) / range;
    return `${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  return `M${points.join("L")}`;
}

/** Show the losses in an SVG element with a path, and the latest one in a caption. */
export function showCurve(svg, caption, losses) {
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.querySelector("path").setAttribute("d", losses.length > 1 ? curveOf(losses) : "");
  const [first, last] = [losses[0], losses.at(-1)].map((point) => point && rounded(point[1]));
  caption.textContent = losses.length ? say("lossNow", { last }) : "";
  svg.setAttribute("aria-label", losses.length > 1 ? say("curveText", { first, last }) : say("noCurve"));
}
