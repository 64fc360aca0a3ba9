// Sort and filter the cards of a report; draw those in sight where the page holds SMILES alone.
(() => {
  "use strict";
  const { numeric, columns, smiles } = JSON.parse(document.getElementById("rows").textContent);
  const list = document.getElementById("cards");
  const cards = [...list.children];
  const count = document.getElementById("count");
  const whole = count.textContent;
  const sort = document.getElementById("sort");
  const direction = document.getElementById("direction");
  const tiles = [...document.querySelectorAll("[data-column]")];
  let descending = false;

  // A test of a row for every tile that asks for something.
  const tests = () => tiles.flatMap((tile) => {
    const place = Number(tile.dataset.column);
    const values = columns[place];
    const inputs = [...tile.querySelectorAll("input, select")];
    if (!numeric[place]) {
      const wanted = inputs[0].value;
      if (!wanted) return [];
      if (inputs[0].tagName === "SELECT") return [(row) => values[row] === wanted.slice(1)];
      const part = wanted.toLowerCase();
      return [(row) => values[row].toLowerCase().includes(part)];
    }
    const [from, to] = inputs.map((input) => {
      const text = input.value.trim().replace(",", ".");
      const wrong = text !== "" && !Number.isFinite(Number(text));
      input.setAttribute("aria-invalid", wrong);
      return text === "" || wrong ? null : Number(text);
    });
    if (from === null && to === null) return [];
    return [(row) => values[row] !== null
      && (from === null || values[row] >= from) && (to === null || values[row] <= to)];
  });

  const compare = (values, isNumber) => (a, b) => {
    const [x, y] = [values[a], values[b]];
    const lacking = (isNumber ? x === null : x === "") - (isNumber ? y === null : y === "");
    if (lacking) return lacking; // what is missing comes last either way
    const order = isNumber ? x - y : x.localeCompare(y, "en", { numeric: true });
    return (descending ? -order : order) || a - b;
  };

  const show = () => {
    const asked = tests();
    const order = cards.map((_, row) => row).filter((row) => asked.every((test) => test(row)));
    if (sort.value !== "") order.sort(compare(columns[sort.value], numeric[sort.value]));
    else if (descending) order.reverse();
    list.replaceChildren(...order.map((row) => cards[row]));
    count.textContent = asked.length
      ? `${order.length.toLocaleString("en")} of ${cards.length.toLocaleString("en")} molecules`
      : whole;
    document.getElementById("nothing").hidden = order.length > 0;
  };

  if (sort) {
    document.addEventListener("input", (event) => {
      if (event.target === sort || event.target.closest("[data-column]")) show();
    });
    direction.addEventListener("click", () => {
      descending = !descending;
      direction.textContent = descending ? "↓" : "↑";
      show();
    });
    document.getElementById("reset").addEventListener("click", () => {
      for (const tile of tiles) for (const one of tile.querySelectorAll("input, select")) one.value = "";
      show();
    });
    document.documentElement.classList.add("live");
    if (matchMedia("(max-width: 40rem)").matches) document.querySelector(".columns").open = false;
  }

  if (smiles) {
    const draw = (row) => {
      const place = cards[row].querySelector(".place");
      const made = drawnStructure(smiles[row]);
      if (made.tagName === "P") {
        place.className = "quiet none";
        place.textContent = made.textContent;
        return;
      }
      made.setAttribute("class", "drawn");
      place.replaceChildren(made);
    };
    const rows = new Map(cards.map((card, row) => [card, row]));
    const sight = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        sight.unobserve(target);
        draw(rows.get(target));
      }
    }, { rootMargin: "600px" });
    for (const card of cards) sight.observe(card);
    addEventListener("beforeprint", () => {
      for (const card of list.children) if (!card.querySelector("svg, .none")) draw(rows.get(card));
    });
  }
})();
