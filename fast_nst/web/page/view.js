// Where a picture lies on the stage: { scale, x, y }, with the scale in CSS px per pixel of the
// picture, and its top left corner in CSS px. Sizes are { width, height }.

const MOST = 8; // times full size

/** The largest scale at which all of the picture is seen. */
export function fitScale(stage, picture) {
  return Math.min(stage.width / picture.width, stage.height / picture.height);
}

export function fit(stage, picture) {
  return placed({ scale: fitScale(stage, picture), x: 0, y: 0 }, stage, picture);
}

/** Change the scale, while the point (x, y) of the stage shows the same place of the picture. */
export function zoom(view, scale, { x, y }, stage, picture, fullScale) {
  const fitted = fitScale(stage, picture);
  const least = Math.min(fitted, fullScale);
  const to = Math.min(Math.max(scale, least), MOST * Math.max(fullScale, fitted));
  const factor = to / view.scale;
  const moved = { scale: to, x: x - factor * (x - view.x), y: y - factor * (y - view.y) };
  return placed(moved, stage, picture);
}

export function pan(view, dx, dy, stage, picture) {
  return placed({ ...view, x: view.x + dx, y: view.y + dy }, stage, picture);
}

/** Without a margin on one side while the picture goes on at the other; centered if it is smaller. */
function placed({ scale, x, y }, stage, picture) {
  const along = (at, room, length) => (
    length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, at)));
  return {
    scale,
    x: along(x, stage.width, scale * picture.width),
    y: along(y, stage.height, scale * picture.height),
  };
}

/** The part of the picture on the stage, in CSS px: { left, right, top, bottom }. */
export function visible(view, stage, picture) {
  return {
    left: Math.max(view.x, 0),
    right: Math.min(view.x + view.scale * picture.width, stage.width),
    top: Math.max(view.y, 0),
    bottom: Math.min(view.y + view.scale * picture.height, stage.height),
  };
}
