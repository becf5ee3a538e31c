// What scripts add; every page works without them.
"use strict";

// A run that is under way: fetch the page again and show the part that moves.
function follow(region) {
  const wait = Number(region.dataset.follow) * 1000;
  setTimeout(async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const newer = page.getElementById(region.id);
      if (!answer.ok || !newer) return location.reload();
      if (!newer.dataset.follow) return location.reload(); // it has ended: show all of it
      region.replaceChildren(...newer.childNodes);
    } catch {
      // The network is away for a moment: ask again.
    }
    follow(region);
  }, wait);
}
document.querySelectorAll("[data-follow]").forEach(follow);

// A part of another page that moves: shown here while it is there, and followed.
document.querySelectorAll("[data-bring]").forEach((place) => {
  const [address, id] = place.dataset.bring.split("#");
  const bring = async () => {
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const part = page.getElementById(id);
      place.replaceChildren(...(part ? [part] : []));
      if (part) delete part.dataset.follow; // this script asks again by itself
    } catch {
      // The network is away for a moment: ask again.
    }
    setTimeout(bring, 3000);
  };
  bring();
});

// A form of several verbs: the fields of the one that is chosen.
document.querySelectorAll("form:has([data-verbs]) select[name=verb]").forEach((chosen) => {
  const show = () => chosen.form.querySelectorAll("[data-verbs]").forEach((part) => {
    part.hidden = !part.dataset.verbs.split(" ").includes(chosen.value);
  });
  chosen.addEventListener("change", show);
  show();
});

// What is saved is drawn as on paper, in the light colours, whatever those of the screen are.
function asOnPaper(draw) {
  const { classList } = document.documentElement;
  classList.add("on-paper");
  try {
    return draw();
  } finally {
    classList.remove("on-paper");
  }
}

// A drawing of the page by itself: with the colours that the page gives it, and its title.
const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-weight", "text-anchor"];
const SVG = "http://www.w3.org/2000/svg", HEAD = 52; // HEAD: room above the drawing for its title
const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const fonts = () => getComputedStyle(document.body).fontFamily;
const headingOf = (drawing) => drawing.closest("section").querySelector("h2, h3").textContent.trim().replace(/\s+/g, " ");
function dress(element, attributes) {
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  return element;
}
const made = (name, attributes, text = "") => Object.assign(dress(document.createElementNS(SVG, name), attributes), { textContent: text });
// A text in lines that are no wider: broken between words, or letters where a language parts no words.
function linesOf(text, width, font) {
  const sheet = document.createElement("canvas").getContext("2d"), lines = [""];
  sheet.font = font;
  for (const part of text.trim().split(/(?<=\s)|(?<=[\u3000-\u9fff\uff00-\uffef])/)) {
    if (lines.at(-1) && sheet.measureText(lines.at(-1) + part).width > width) lines.push("");
    lines[lines.length - 1] += part.replace(/\s+/g, " ");
  }
  return lines;
}
const captionOf = (place) => place.parentElement.querySelector(":scope > p, :scope > figcaption")?.textContent ?? "";
function standalone(drawing) {
  const copy = drawing.cloneNode(true);
  const from = [drawing, ...drawing.querySelectorAll("*")], to = [copy, ...copy.querySelectorAll("*")];
  from.forEach((each, n) => {
    const look = getComputedStyle(each);
    LOOKS.forEach((name) => to[n].setAttribute(name, look.getPropertyValue(name)));
    to[n].removeAttribute("class");
  });
  const { width, height: drawn } = drawing.viewBox.baseVal;
  const caption = linesOf(captionOf(drawing.parentElement), width - 16, `11px ${fonts()}`), foot = 16 * caption.length + 8;
  const height = HEAD + drawn + foot, written = (y, size, words) =>
    made("text", { x: 8, y, "font-size": size, fill: tone(size > 11 ? "--bs-body-color" : "--bs-secondary-color") }, words);
  copy.prepend(made("rect", { y: -HEAD, width, height, fill: tone("--card") }));
  copy.append(
    written(20 - HEAD, 14, headingOf(drawing)), written(38 - HEAD, 11, document.title),
    ...caption.map((words, n) => written(drawn + 14 + 16 * n, 11, words)),
  );
  dress(copy, { xmlns: SVG, viewBox: `0 ${-HEAD} ${width} ${height}`, width, height, "font-family": fonts() });
  return { text: new XMLSerializer().serializeToString(copy), width, height };
}
function pictured({ text, width, height }) {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.onload = () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 2 * width, height: 2 * height });
      canvas.getContext("2d").drawImage(picture, 0, 0, 2 * width, 2 * height);
      canvas.toBlob(resolve, "image/png");
    };
    picture.onerror = reject;
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  });
}
document.querySelectorAll("[data-save]").forEach((button) => {
  button.addEventListener("click", async () => {
    const { save, name, kind } = button.dataset;
    const drawn = asOnPaper(() => standalone(document.querySelector(`#${save} svg`)));
    const file = kind === "svg" ? new Blob([drawn.text], { type: "image/svg+xml" }) : await pictured(drawn);
    const address = URL.createObjectURL(file);
    Object.assign(document.createElement("a"), { href: address, download: `${name}.${kind}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  });
});

// A form that shows what its answers come to so far: asked of the server, which stores nothing.
document.querySelectorAll("[data-live]").forEach((form) => {
  const place = document.getElementById(form.dataset.live);
  let asked = 0;
  form.addEventListener("change", async () => {
    const mine = ++asked, sent = new FormData(form);
    sent.set("step", "look");
    try {
      const answer = await fetch(location.href, { method: "POST", body: sent });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const newer = page.getElementById(place.id);
      if (mine === asked && newer?.childElementCount) place.replaceChildren(...newer.childNodes);
    } catch {
      // The network is away for a moment: the next answer asks again.
    }
  });
});

// Words about what only scripts can do.
document.querySelectorAll("[data-scripts]").forEach((words) => { words.hidden = false; });

// A choice that shows its table at once; the button stays for those without scripts.
document.querySelectorAll("[data-submit-on-change]").forEach((form) => {
  form.addEventListener("change", () => form.requestSubmit());
});

// Fields that belong to one kind of table only.
const kind = document.querySelector("[name=kind]");
const parts = document.querySelectorAll("[data-only-for]");
function showParts() {
  parts.forEach((part) => { part.hidden = part.dataset.onlyFor !== kind.value; });
}
if (kind && parts.length) {
  kind.addEventListener("change", showParts);
  showParts();
}

// A file dropped on the field is a file chosen.
document.querySelectorAll("[data-drop]").forEach((zone) => {
  const field = zone.querySelector("input[type=file]");
  const mark = (on) => (event) => { event.preventDefault(); zone.classList.toggle("over", on); };
  zone.addEventListener("dragover", mark(true));
  zone.addEventListener("dragleave", mark(false));
  zone.addEventListener("drop", (event) => {
    mark(false)(event);
    if (event.dataTransfer.files.length) field.files = event.dataTransfer.files;
  });
});

// On a phone the places of a site are wider than the screen: the one that is open is in sight.
document.querySelectorAll(".places [aria-current]").forEach((here) => {
  const row = here.closest(".places");
  row.scrollLeft += here.getBoundingClientRect().left - row.getBoundingClientRect().left - (row.clientWidth - here.offsetWidth) / 2;
});
