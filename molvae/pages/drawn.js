// A structure from SMILES by the bundled SmilesDrawer, in the colours of the page.
const drawnStructure = (() => {
  "use strict";
  const names = {
    N: "nitrogen", O: "oxygen", S: "sulfur", P: "phosphorus", F: "halogen", CL: "halogen",
    BR: "bromine", I: "bromine",
  };
  const theme = { C: "var(--ink)", H: "var(--ink)", B: "var(--ink)", BACKGROUND: "var(--card)" };
  for (const [name, colour] of Object.entries(names)) theme[name] = `var(--${colour})`;
  const drawer = new SmilesDrawer.SvgDrawer({
    width: 240, height: 170, padding: 12, bondLength: 18, bondThickness: 1.1, shortBondLength: 0.8,
    bondSpacing: 4, fontSizeLarge: 10, fontSizeSmall: 6, terminalCarbons: false,
    explicitHydrogens: false, compactDrawing: false, themes: { page: theme },
  });
  // It places labels by style attributes, which the page's policy refuses: attributes will do.
  const withoutStyles = (work) => {
    const { setAttributeNS } = Element.prototype;
    Element.prototype.setAttributeNS = function (space, name, value) {
      if (name !== "style") return setAttributeNS.call(this, space, name, value);
      const moved = /translateX\((.+?)px\) translateY\((.+?)px\)/.exec(value);
      if (moved) setAttributeNS.call(this, space, "transform", `translate(${moved[1]} ${moved[2]})`);
    };
    try { work(); } finally { Element.prototype.setAttributeNS = setAttributeNS; }
  };
  return (smiles) => {
    let made = document.createElement("p");
    made.textContent = "cannot be drawn";
    SmilesDrawer.parse(smiles, (tree) => {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      withoutStyles(() => drawer.draw(tree, svg, "page"));
      for (const style of svg.querySelectorAll("style")) style.remove();
      made = svg;
    }, () => {});
    return made;
  };
})();
