// The explore page: asks the server beside it, which asks the model. Text is set as text; the only
// markup taken over is the structures, which the server draws as paths.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const SHOWN = 12;
  const AHEAD = 24;
  const SCORES = [
    ["qed", "QED", 2], ["sa", "SA", 2], ["logp", "logP", 2], ["molwt", "MolWt", 1],
    ["rings", "Rings", 0],
  ];
  const COLUMNS = [["tanimoto", "Similarity", 2], ...SCORES];

  let lead = null;
  let pool = new Map();       // analogs of the lead by SMILES
  let cards = new Map();      // molecules drawn over the lead, by SMILES
  let seed = 0;
  let path = [];

  async function ask(action, body) {
    let answer;
    try {
      answer = await fetch(action, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    } catch {
      throw new Error("molvae does not answer: was it stopped in the terminal?");
    }
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    return found;
  }

  // One request at a time; of those that come meanwhile only the last is made.
  function latest(work) {
    let busy = false, next = null;
    return async function run(...given) {
      if (busy) { next = given; return; }
      busy = true;
      try { await work(...given); } finally {
        busy = false;
        if (next) { const again = next; next = null; run(...again); }
      }
    };
  }

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") made.addEventListener("click", value);
      else made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  function structure(svg) {
    const holder = element("div");
    if (svg) holder.innerHTML = svg;
    else holder.textContent = "cannot be drawn";
    return holder.firstChild;
  }

  const number = (value, digits) =>
    value === null || value === undefined ? "–" : value.toFixed(digits).replace(/^-/, "−");

  function words(id, text, bad = false) {
    byId(id).textContent = text;
    byId(id).classList.toggle("bad", bad);
  }

  function molecule(card, { isLead = false } = {}) {
    const numbers = (isLead ? SCORES : COLUMNS)
      .filter(([key]) => card[key] !== undefined)
      .map(([key, name, digits]) => `${name} ${number(card[key], digits)}`)
      .join(" · ");
    const acts = [element("button", {
      type: "button", onclick: () => keep(card), "aria-label": `Keep ${card.smiles}`,
    }, "Keep")];
    if (!isLead) acts.push(element("button", {
      type: "button", onclick: () => setLead(card.smiles), "aria-label": `Use ${card.smiles} as the lead`,
    }, "Use as lead"));
    return element("article", {
      class: "molecule", "data-smiles": card.smiles, "aria-label": card.smiles,
    },
      structure(card.svg),
      element("p", { class: "smiles" }, card.smiles),
      element("p", { class: "numbers" }, numbers),
      element("div", { class: "acts" }, ...acts));
  }

  // ---- the lead
  const setLead = latest(async (smiles) => {
    byId("lead-smiles").value = smiles;
    words("lead-words", "Reading…");
    try {
      lead = await ask("lead", { smiles });
    } catch (error) {
      words("lead-words", error.message, true);
      return;
    }
    words("lead-words", lead.notes.join(" "));
    sessionStorage.setItem("molvae-lead", lead.smiles);
    byId("lead").replaceChildren(molecule(lead, { isLead: true }));
    byId("ways").hidden = false;
    pool = new Map();
    cards = new Map();
    seed = 0;
    path = [];
    byId("walk").hidden = true;
    words("path-words", "");
    resetChanges();
    byId("around").replaceChildren();
    byId("lead-title").scrollIntoView();
    drawAnalogs();
  });

  // ---- around it
  const drawAnalogs = latest(async () => {
    const mine = lead.smiles;
    byId("around").setAttribute("aria-busy", "true");
    words("around-words", "Drawing…");
    try {
      const answer = await ask("analogs", {
        smiles: mine, seed, keep_scaffold: byId("keep-scaffold").checked,
      });
      if (mine !== lead.smiles) return drawAnalogs();
      for (const one of answer.found) pool.set(one.smiles, one);
      words("around-words", pool.size
        ? `${pool.size.toLocaleString("en")} analogs; those nearest to the similarity are shown.`
        : "Nothing was found. Draw more, or leave the scaffold free.");
      await showAround();
      ahead();
    } catch (error) {
      words("around-words", error.message, true);
    } finally {
      byId("around").removeAttribute("aria-busy");
    }
  });

  function nearest(count) {
    const wanted = Number(byId("similarity").value);
    return [...pool.values()]
      .sort((a, b) => Math.abs(a.tanimoto - wanted) - Math.abs(b.tanimoto - wanted))
      .slice(0, count)
      .sort((a, b) => b.tanimoto - a.tanimoto)
      .map((one) => one.smiles);
  }

  async function fetchCards(list) {
    const lacking = list.filter((one) => !cards.has(one));
    if (!lacking.length) return;
    const mine = lead.smiles, into = cards;
    const answer = await ask("molecules", { smiles: lacking, lead: mine });
    answer.cards.forEach((card, place) => into.set(lacking[place], card));
  }

  const showAround = latest(async () => {
    const wanted = nearest(SHOWN), own = cards;
    try {
      await fetchCards(wanted);
    } catch (error) {
      words("around-words", error.message, true);
      return;
    }
    if (own === cards) byId("around").replaceChildren(...wanted.map((one) => molecule(cards.get(one))));
  });

  // The slider is at once where the molecules have been drawn before it comes.
  const ahead = latest(async () => {
    const own = cards;
    const order = [...pool.keys()];
    for (let start = 0; start < order.length && own === cards; start += AHEAD) {
      try { await fetchCards(order.slice(start, start + AHEAD)); } catch { return; }
    }
  });

  // ---- towards another
  async function walk(end) {
    const start = lead.smiles;
    words("path-words", "Looking for the way, which takes some seconds…");
    try {
      const found = await ask("path", { start, end });
      if (start !== lead.smiles) return;
      path = found.points;
    } catch (error) {
      words("path-words", error.message, true);
      return;
    }
    words("path-words", `${path.length} molecules, from the lead to the other.`);
    byId("walk").hidden = false;
    byId("step").max = path.length - 1;
    byId("step").value = 0;
    showPoint();
    byId("step").focus();
  }

  function showPoint() {
    const place = Number(byId("step").value), point = path[place];
    byId("step-value").textContent =
      `${place + 1} of ${path.length}; similarity ${number(point.start, 2)} to the lead, ` +
      `${number(point.end, 2)} to the other`;
    byId("point").replaceChildren(molecule({ ...point, tanimoto: point.start }));
  }

  // ---- along directions
  let spreads = null;
  async function askDirections() {
    try {
      const found = await ask("directions", {});
      if (found.ready) return showDirections(found.properties);
      if (found.problem) return words("along-words", found.problem, true);
    } catch (error) {
      return words("along-words", error.message, true);
    }
    setTimeout(askDirections, 1000);
  }

  function showDirections(properties) {
    spreads = properties;
    const fits = properties.map((one) => {
      const [, name] = SCORES.find(([key]) => key === one.name);
      const shares = Math.max(0, Math.round(100 * one.explained));
      const limit = 2 * one.spread, id = `change-${one.name}`;
      const label = element("label", { for: id }, name, element("output", { for: id }));
      const slider = element("input", {
        id, type: "range", min: -limit, max: limit, step: one.spread / 10, value: 0,
        "data-name": one.name,
      });
      slider.value = 0;
      slider.addEventListener("input", moveLead);
      byId("changes").append(element("div", {}, label, slider));
      return `${shares} % of ${name}`;
    });
    words("along-words",
      `Linear directions explain ${fits.join(", ")} among the model's own samples. Molecules are ` +
      "drawn along them and ranked by what they turned out to be.");
    byId("changes").hidden = false;
    resetChanges();
  }

  function changes() {
    const asked = {};
    for (const slider of byId("changes").querySelectorAll("input")) {
      const { spread } = spreads.find((one) => one.name === slider.dataset.name);
      const value = Math.abs(slider.value) < spread / 20 ? 0 : Number(slider.value);
      const digits = spread > 10 ? 0 : spread < 0.5 ? 2 : 1;
      slider.previousElementSibling.lastChild.textContent =
        value ? `${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(digits)}` : "as the lead";
      if (value) asked[slider.dataset.name] = value;
    }
    return asked;
  }

  const drawMoved = latest(async () => {
    const asked = changes(), mine = lead.smiles;
    if (!Object.keys(asked).length) return showMoved([]);
    try {
      const found = await ask("move", { smiles: mine, changes: asked, seed: 0 });
      // Meanwhile the sliders may have gone back to the lead, or to another one.
      if (mine !== lead.smiles || !Object.keys(changes()).length) return;
      if (!found.best) {
        showMoved([]);
        return words("moved-words", "Nothing was found there.");
      }
      cards.set(found.best.smiles, found.best);
      words("moved-words", `The nearest to it of ${found.drawn} molecules, and others.`);
      const list = found.found;
      showMoved(list.filter((one) => cards.has(one)).map((one) => cards.get(one)));
      showOthers(list);
    } catch (error) {
      words("moved-words", error.message, true);
    }
  });

  const showOthers = latest(async (list) => {
    const own = cards;
    try { await fetchCards(list); } catch (error) { return words("moved-words", error.message, true); }
    const first = byId("moved").firstChild;
    if (own !== cards || !first || first.dataset.smiles !== list[0]) return;
    showMoved(list.map((one) => cards.get(one)));
  });

  const moveLead = () => { changes(); drawMoved(); };

  function showMoved(list) {
    byId("moved").replaceChildren(...list.map((card) => molecule(card)));
    byId("reset").hidden = !list.length;
    if (!list.length) words("moved-words", "");
  }

  function resetChanges() {
    if (!spreads) return;
    for (const slider of byId("changes").querySelectorAll("input")) slider.value = 0;
    changes();
    showMoved([]);
  }

  // ---- the basket
  let basket = [];
  let order = { key: null, up: true };
  try { basket = JSON.parse(sessionStorage.getItem("molvae-basket")) ?? []; } catch { basket = []; }

  function keep(card) {
    if (basket.some((one) => one.smiles === card.smiles)) return;
    basket.push({ ...card, lead: lead.smiles, tanimoto: card.tanimoto ?? 1 });
    showBasket();
  }

  function sorted() {
    const { key, up } = order;
    if (!key) return basket;
    const last = (value) => value === null || value === undefined;
    return [...basket].sort((a, b) => {
      if (last(a[key]) || last(b[key])) return last(a[key]) - last(b[key]);
      const way = a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0;
      return up ? way : -way;
    });
  }

  function showBasket() {
    sessionStorage.setItem("molvae-basket", JSON.stringify(basket));
    byId("basket-count").textContent = basket.length ? `(${basket.length})` : "";
    byId("basket-empty").hidden = basket.length > 0;
    byId("basket-filled").hidden = basket.length === 0;
    const heads = [["smiles", "Molecule"], ...COLUMNS].map(([key, name]) => {
      const mine = order.key === key;
      return element("th", {
        scope: "col", class: key === "smiles" ? "" : "number",
        "aria-sort": mine ? (order.up ? "ascending" : "descending") : "none",
      }, element("button", { type: "button", "data-sort": key, onclick: () => sortBy(key) },
        name + (mine ? (order.up ? " ▲" : " ▼") : "")));
    });
    byId("basket").tHead.rows[0].replaceChildren(...heads, element("td"));
    byId("basket").tBodies[0].replaceChildren(...sorted().map((card) => element("tr", {},
      element("td", {}, structure(card.svg), element("span", { class: "smiles", title: card.smiles }, card.smiles)),
      ...COLUMNS.map(([key, , digits]) =>
        element("td", { class: "number" }, number(card[key], digits))),
      element("td", {}, element("button", {
        type: "button", class: "remove", "aria-label": `Remove ${card.smiles}`,
        onclick: () => { basket = basket.filter((one) => one !== card); showBasket(); },
      }, "×")))));
  }

  function sortBy(key) {
    // The first press puts the better end first: the highest, but for SA, weight and names.
    const up = ["sa", "molwt", "smiles"].includes(key);
    order = { key, up: order.key === key ? !order.up : up };
    showBasket();
    byId("basket").querySelector(`[data-sort="${key}"]`).focus();
  }

  // Text that a spreadsheet would run as a formula gets an apostrophe, as molvae's own tables do.
  function csvCell(value) {
    let text = value === null || value === undefined ? "" : String(value);
    const formula = /^[ \0]*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]/;
    if (typeof value !== "number" && formula.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function csv() {
    const rows = sorted().map((card, place) => [
      place + 1, card.smiles, card.lead,
      ...COLUMNS.map(([key]) => (card[key] === null || card[key] === undefined
        ? null : Number(card[key].toPrecision(6)))),
    ]);
    const head = ["rank", "smiles", "lead", "tanimoto", ...SCORES.map(([, name]) => name)];
    return [head, ...rows].map((row) => row.map(csvCell).join(",") + "\n").join("");
  }

  function download() {
    const address = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    element("a", { href: address, download: "molvae-basket.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  // ---- the page begins
  byId("lead-form").addEventListener("submit", (event) => {
    event.preventDefault();
    setLead(byId("lead-smiles").value);
  });
  byId("path-form").addEventListener("submit", (event) => {
    event.preventDefault();
    walk(byId("end-smiles").value);
  });
  for (const example of document.querySelectorAll("[data-smiles]")) {
    example.addEventListener("click", () => setLead(example.dataset.smiles));
  }
  const showSimilarity = () => {
    byId("similarity-value").textContent = `about ${Number(byId("similarity").value).toFixed(2)}`;
    if (pool.size) showAround();
  };
  byId("similarity").addEventListener("input", showSimilarity);
  byId("step").addEventListener("input", showPoint);
  byId("more").addEventListener("click", () => { seed += 1; drawAnalogs(); });
  byId("keep-scaffold").addEventListener("change", () => {
    pool = new Map();
    seed = 0;
    drawAnalogs();
  });
  byId("reset").addEventListener("click", resetChanges);
  byId("download").addEventListener("click", download);
  byId("empty").addEventListener("click", () => { basket = []; showBasket(); });
  showSimilarity();
  showBasket();
  askDirections();
  const before = sessionStorage.getItem("molvae-lead");
  if (before) setLead(before);
})();
