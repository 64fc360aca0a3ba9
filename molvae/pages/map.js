// The map: points on a canvas, a molecule beside them. Without this the page shows a picture.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const { x, y, smiles, drawn, names, cells, shades, first } =
    JSON.parse(byId("points").textContent);
  const SIDE = 1000, REACH = 14, FARTHEST = 60;
  const canvas = byId("canvas"), pen = canvas.getContext("2d");
  let shade = first, view = { x: SIDE / 2, y: SIDE / 2, zoom: 1 }, chosen = -1, pinned = false;
  let groups = [], size = 1, ratio = 1;

  // ---- colours, as the page's style has them today
  function colourOf(name) {
    const probe = document.createElement("i");
    probe.className = name;
    byId("field").append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  }

  function group() {
    const own = shades[shade], by = new Map();
    x.forEach((_, row) => {
      const colour = own ? own.colours[row] : -1;
      if (!by.has(colour)) by.set(colour, []);
      by.get(colour).push(row);
    });
    groups = [...by].sort(([a], [b]) => a - b).map(([colour, rows]) => ({
      rows, name: colour < 0 ? "c-none" : `${own.scale ? "s" : "c"}-${colour}`,
    }));
  }

  function showLegend() {
    const own = shades[shade], parts = [];
    const span = (text, name = "") => {
      const made = document.createElement("span");
      made.textContent = text;
      made.className = name;
      return made;
    };
    if (own) {
      parts.push(span(own.name, "name"));
      if (own.scale) {
        const ramp = span("", "ramp");
        for (let step = 0; step < 16; step += 1) {
          ramp.append(Object.assign(document.createElement("i"), { className: `s-${step}` }));
        }
        parts.push(span(own.legend[0]), ramp, span(own.legend[1]));
      } else {
        own.legend.forEach((text, place) => parts.push(span(text, `key c-${place}`)));
      }
      if (own.colours.includes(-1)) parts.push(span("no value", "key c-none"));
    }
    byId("legend").replaceChildren(...parts);
  }

  // ---- drawing
  const scale = () => (size / SIDE) * view.zoom;
  const onCanvas = (row) => [
    (x[row] - view.x) * scale() + size / 2, (y[row] - view.y) * scale() + size / 2,
  ];

  let asked = false;
  function draw() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, size, size);
      const radius = Math.min(6, (x.length > 3000 ? 1.8 : x.length > 500 ? 2.6 : 3.6) *
        Math.max(0.8, size / 700) * view.zoom ** 0.35);
      pen.globalAlpha = 0.8;
      for (const { rows, name } of groups) {
        pen.fillStyle = colourOf(name);
        pen.beginPath();
        for (const row of rows) {
          const [left, top] = onCanvas(row);
          if (left < -9 || top < -9 || left > size + 9 || top > size + 9) continue;
          pen.moveTo(left + radius, top);
          pen.arc(left, top, radius, 0, 7);
        }
        pen.fill();
      }
      pen.globalAlpha = 1;
      if (chosen < 0) return;
      const [left, top] = onCanvas(chosen);
      pen.strokeStyle = getComputedStyle(document.body).color;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.arc(left, top, radius + 4, 0, 7);
      pen.stroke();
    });
  }

  function fit() {
    size = byId("field").clientWidth;
    ratio = devicePixelRatio || 1;
    canvas.width = canvas.height = Math.round(size * ratio);
    draw();
  }

  // ---- the molecule beside it
  function choose(row) {
    if (row === chosen) return;
    chosen = row;
    draw();
    if (row < 0) return;
    const holder = document.createElement("div");
    if (drawn && drawn[row]) holder.innerHTML = drawn[row];
    else if (drawn) holder.textContent = "cannot be drawn";
    else holder.append(drawnStructure(smiles[row]));
    const text = Object.assign(document.createElement("p"), { className: "smiles" });
    text.textContent = smiles[row];
    const list = document.createElement("dl");
    names.forEach((name, column) => {
      if (!cells[column][row]) return;
      const term = document.createElement("dt"), value = document.createElement("dd");
      term.textContent = name;
      value.textContent = cells[column][row];
      list.append(term, value);
    });
    byId("molecule").replaceChildren(holder, text, list);
  }

  function nearest(left, top, reach) {
    let best = -1, least = reach * reach;
    for (let row = 0; row < x.length; row += 1) {
      const [a, b] = onCanvas(row);
      const apart = (a - left) ** 2 + (b - top) ** 2;
      if (apart < least) { least = apart; best = row; }
    }
    return best;
  }

  // ---- zoom and pan
  function keepInside() {
    const half = SIDE / 2 / view.zoom;
    for (const axis of ["x", "y"]) {
      view[axis] = Math.min(SIDE - half, Math.max(half, view[axis]));
    }
  }

  function zoomBy(factor, left = size / 2, top = size / 2) {
    const before = scale();
    view.zoom = Math.min(FARTHEST, Math.max(1, view.zoom * factor));
    // What is under the pointer stays there.
    view.x += (left - size / 2) * (1 / before - 1 / scale());
    view.y += (top - size / 2) * (1 / before - 1 / scale());
    keepInside();
    draw();
  }

  function whole() {
    view = { x: SIDE / 2, y: SIDE / 2, zoom: 1 };
    draw();
  }

  const down = new Map();
  let moved = 0;
  const spread = () => {
    const [a, b] = [...down.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, placeOf(event));
    moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const place = placeOf(event), before = down.get(event.pointerId);
    if (!before) {
      if (!pinned && event.pointerType === "mouse") choose(nearest(place.x, place.y, REACH));
      return;
    }
    moved += Math.hypot(place.x - before.x, place.y - before.y);
    if (down.size === 2) {
      const apart = spread();
      down.set(event.pointerId, place);
      const [a, b] = [...down.values()];
      zoomBy(spread() / Math.max(apart, 1), (a.x + b.x) / 2, (a.y + b.y) / 2);
    } else {
      view.x -= (place.x - before.x) / scale();
      view.y -= (place.y - before.y) / scale();
      down.set(event.pointerId, place);
      keepInside();
      draw();
    }
  });
  const up = (event) => {
    const alone = down.size === 1, place = down.get(event.pointerId);
    down.delete(event.pointerId);
    if (event.type !== "pointerup" || !alone || moved > 6) return;
    const row = nearest(place.x, place.y, 1.6 * REACH);
    pinned = row >= 0;
    choose(row);
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const place = placeOf(event);
    zoomBy(Math.exp(-event.deltaY / 400), place.x, place.y);
  }, { passive: false });

  // ---- keys: the nearest molecule that lies in the direction
  const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "+" || event.key === "=") zoomBy(1.5);
    else if (event.key === "-") zoomBy(1 / 1.5);
    else if (event.key === "0") whole();
    else if (event.key === "Escape") { pinned = false; choose(-1); }
    else if (WAYS[event.key]) {
      event.preventDefault();
      step(...WAYS[event.key]);
    }
  });

  function step(right, below) {
    pinned = true;
    if (chosen < 0) { choose(nearest(size / 2, size / 2, Infinity)); return; }
    let best = -1, least = Infinity;
    for (let row = 0; row < x.length; row += 1) {
      const a = x[row] - x[chosen], b = y[row] - y[chosen];
      const along = a * right + b * below, across = Math.abs(a * below) + Math.abs(b * right);
      if (along <= 0 || across > along) continue;
      if (along + across < least) { least = along + across; best = row; }
    }
    if (best < 0) return;
    choose(best);
    const half = SIDE / 2 / view.zoom;
    if (Math.abs(x[best] - view.x) > half || Math.abs(y[best] - view.y) > half) {
      view.x = x[best];
      view.y = y[best];
      keepInside();
    }
  }

  // ---- the page begins
  byId("colour").addEventListener("change", () => {
    shade = Number(byId("colour").value);
    group();
    showLegend();
    draw();
  });
  byId("nearer").addEventListener("click", () => zoomBy(1.5));
  byId("farther").addEventListener("click", () => zoomBy(1 / 1.5));
  byId("whole").addEventListener("click", whole);
  document.addEventListener("themechange", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  for (const id of ["canvas", "zooms"]) byId(id).hidden = false;
  byId("colour-choice").hidden = !shades.length;
  byId("picture").setAttribute("hidden", "");
  byId("hint").textContent = "Point at a molecule, or touch it, to see it here; press on it to keep it.";
  new ResizeObserver(fit).observe(byId("field"));
  group();
  showLegend();
})();
