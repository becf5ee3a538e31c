// Plots from the numbers that the page carries; without this script the tables say the same.
"use strict";

// The words of the page's language; English where it has none.
const words = JSON.parse(document.getElementById("plot-words").textContent);
const t = (text, values = {}) => (words[text] ?? text).replace(/%\((\w+)\)s/g, (_, name) => values[name]);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
let link, ink, soft, line, card;
function mixColours() {
  link = `rgb(${tone("--bs-link-color-rgb")})`;
  [ink, soft, line, card] = ["--bs-body-color", "--bs-secondary-color", "--bs-border-color", "--card"].map(tone);
}
mixColours();
// In a saved picture the names stand inside an attribute, where double quotes would end it.
const quoted = fonts().replaceAll('"', "'");
// Decimal marks of the page's language; the digits are the same in every language.
const written = (value, how) => new Intl.NumberFormat(`${document.documentElement.lang}-u-nu-latn`, how).format(value).replace("-", "−");
const round = (value, digits = 2) => (value == null ? "–" : written(value, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const p = (value) => (value == null ? "–" : value < 0.001 ? `< ${written(0.001)}` : written(value, { minimumSignificantDigits: 2, maximumSignificantDigits: 2 }));
const tick = (value) => written(value, { maximumFractionDigits: 6 });

function axis(name, more = {}) {
  return {
    type: "value", name, nameLocation: "middle", nameGap: 28,
    nameTextStyle: { color: soft }, axisLabel: { color: soft, hideOverlap: true, formatter: tick },
    axisLine: { show: true, lineStyle: { color: line } },
    splitLine: { lineStyle: { color: line, opacity: 0.5 } }, ...more,
  };
}

const diagonal = (low, high) => ({
  type: "line", silent: true, symbol: "none", data: [[low, low], [high, high]],
  lineStyle: { color: soft, type: "dashed", width: 1 },
});

const share = { min: 0, max: 1 };

// One function a kind: the numbers in, ECharts' options out.
const KINDS = {
  volcano({ points }) {
    const found = points.filter((one) => one.found);
    const named = (found.length ? found : points).slice(0, 12); // the smallest p first
    const of = (one) => ({
      value: [one.x, one.y], one,
      label: { show: named.includes(one), formatter: one.name, color: ink, position: one.x > 0 ? "left" : "right", fontSize: 11 },
    });
    const series = (found) => ({
      type: "scatter", symbolSize: found ? 8 : 6, data: points.filter((one) => one.found === found).map(of),
      itemStyle: found ? { color: link } : { color: card, borderColor: soft, borderWidth: 1 },
      labelLayout: { hideOverlap: true },
    });
    const most = Math.max(0.5, ...points.map((one) => Math.abs(one.x))) * 1.15;
    const end = Math.ceil(most * 5) / 5;
    return {
      xAxis: axis(t("Hedges g (cases less controls)"), { min: -end, max: end, interval: end / 4 }),
      yAxis: axis("−log10 p", { nameGap: 34 }),
      series: [series(false), series(true)],
      tooltip: {
        formatter: ({ data: { one } }) =>
          `${one.name}\ng ${round(one.x)}, p ${p(one.p)}, q ${p(one.q)}\n${t("%(n)s sites", { n: one.sites })}`,
      },
    };
  },

  intervals({ rows, zero, low, high, label }) {
    const names = rows.map((row) => row.name).reverse();
    const placed = rows.map((row) => [row.x, names.indexOf(row.name), row.low, row.high]);
    return {
      xAxis: axis(label, { min: low, max: high }),
      yAxis: { type: "category", data: names, axisLabel: { color: ink }, axisLine: { lineStyle: { color: line } }, axisTick: { show: false } },
      series: [
        {
          type: "custom", data: placed, encode: { x: [0, 2, 3], y: 1 },
          renderItem(_, api) {
            const at = (value) => api.coord([value, api.value(1)]);
            const [x, y] = at(api.value(0)), [from] = at(api.value(2)), [to] = at(api.value(3));
            return { type: "group", children: [
              { type: "line", shape: { x1: from, x2: to, y1: y, y2: y }, style: { stroke: ink, lineWidth: 1.5 } },
              { type: "rect", shape: { x: x - 4, y: y - 4, width: 8, height: 8 }, style: { fill: link } },
            ] };
          },
          markLine: { silent: true, symbol: "none", label: { show: false }, lineStyle: { color: soft, type: "dashed" }, data: [{ xAxis: zero }] },
        },
      ],
      tooltip: { formatter: ({ value }) => `${names[value[1]]}\n${round(value[0])} (${t("%(low)s to %(high)s", { low: round(value[2]), high: round(value[3]) })})` },
    };
  },

  roc({ points, band, sites }) {
    const area = [...band.map(([x, low]) => [x, low]), ...band.map(([x, , high]) => [x, high]).reverse()];
    const shaded = {
      type: "custom", silent: true, data: area.length ? [0] : [],
      renderItem: (_, api) => ({ type: "polygon", shape: { points: area.map((at) => api.coord(at)) }, style: { fill: link, opacity: 0.14 } }),
    };
    const dashes = ["solid", "dashed", "dotted", [8, 3, 2, 3], [16, 4], [2, 6], [12, 3, 2, 3, 2, 3], [4, 8]];
    const said = (name, [x, y]) => `${name}${name ? "\n" : ""}${t("%(found)s of cases found at %(false)s false alarms", { found: round(y), false: round(x) })}`;
    const between = ({ dataIndex: n }) => (band.length && band[n][1] !== band[n][2] ? `\n${t("%(low)s to %(high)s", { low: round(band[n][1]), high: round(band[n][2]) })}` : "");
    return {
      legend: sites.length ? { data: sites.map(({ name }) => name), textStyle: { color: ink }, bottom: 52, right: 30, orient: "vertical", itemWidth: 32, itemStyle: { opacity: 0 } } : undefined,
      xAxis: axis(t("False positive rate"), share), yAxis: axis(t("True positive rate"), { ...share, nameGap: 34 }),
      series: [
        shaded, diagonal(0, 1),
        ...sites.map(({ name, points: its }, n) => ({
          type: "line", name, data: its, symbolSize: 3, itemStyle: { color: soft }, lineStyle: { color: soft, width: 1, type: dashes[n % dashes.length] },
          tooltip: { formatter: ({ value }) => said(name, value) },
        })),
        { type: "line", data: points, symbolSize: 6, itemStyle: { color: link }, lineStyle: { color: link, width: 2.5 }, tooltip: { formatter: (at) => said("", at.value) + between(at) } },
      ],
      tooltip: {},
    };
  },

  calibration: ({ points }) => ({
    xAxis: axis(t("Mean score"), share), yAxis: axis(t("Share of cases"), { ...share, nameGap: 34 }),
    series: [diagonal(0, 1), { type: "scatter", data: points, symbolSize: 10, itemStyle: { color: link } }],
    tooltip: { formatter: ({ value }) => t("score %(score)s, cases %(cases)s", { score: round(value[0]), cases: round(value[1]) }) },
  }),

  severity({ points }) {
    const all = points.flat(), span = Math.max(...all) - Math.min(...all);
    const step = span > 25 ? 10 : span > 10 ? 5 : 1; // whole steps, so that no label stands beside the last one
    const low = step * Math.floor(Math.min(...all) / step), high = step * Math.ceil(Math.max(...all) / step);
    const ends = { min: low, max: high, interval: step };
    return {
      xAxis: axis(t("Predicted"), ends), yAxis: axis(t("Recorded"), { ...ends, nameGap: 34 }),
      series: [diagonal(low, high), { type: "scatter", data: points, symbolSize: 10, itemStyle: { color: link } }],
      tooltip: { formatter: ({ value }) => t("predicted %(predicted)s, recorded %(recorded)s", { predicted: round(value[0], 1), recorded: round(value[1], 1) }) },
    };
  },

  components({ sites, outlines, explained }) {
    const share = (n) => (explained[n] == null ? "" : ` (${t("%(share)s of variance", { share: `${round(explained[n] * 100, 0)} %` })})`);
    const marks = ["circle", "rect", "triangle", "diamond", "roundRect", "pin"];
    // Six shapes, filled and then hollow; where sites lie upon each other the legend names them.
    const look = (n) => (n % 12 < 6 ? { color: link } : { color: card, borderColor: link, borderWidth: 1.5 });
    return {
      legend: { type: "scroll", top: 0, left: "center", itemWidth: 12, itemHeight: 12, textStyle: { color: ink }, pageTextStyle: { color: ink }, data: sites.map(({ name }) => name) },
      xAxis: axis(`PC 1${share(0)}`, { scale: true }), yAxis: axis(`PC 2${share(1)}`, { scale: true, nameGap: 34 }),
      series: [
        ...outlines.map(({ points }) => ({ type: "line", data: points, symbol: "none", silent: true, lineStyle: { color: link, width: 1.5, opacity: 0.7 } })),
        ...sites.map(({ name, at }, n) => ({
          type: "scatter", name, symbol: marks[n % marks.length], symbolSize: 10, itemStyle: look(n), labelLayout: { hideOverlap: true },
          data: [at], label: { show: true, formatter: name, color: ink, position: "right" },
        })),
      ],
      tooltip: { formatter: ({ seriesName, value }) => `${seriesName}\n${round(value[0])}, ${round(value[1])}` },
    };
  },

  variance({ rows }) {
    const bar = (name, n, style) => ({ type: "bar", name, data: rows.map((row) => row[n]), barMaxWidth: 26, itemStyle: style });
    return {
      legend: { textStyle: { color: ink }, top: 0, right: 8 },
      xAxis: axis(t("Share of variance"), { axisLabel: { color: soft, formatter: (value) => `${Math.round(value * 100)} %` } }),
      yAxis: { type: "category", data: rows.map((row) => row[0]), axisLabel: { color: ink }, axisLine: { lineStyle: { color: line } }, axisTick: { show: false } },
      series: [bar(t("before"), 1, { color: card, borderColor: soft, borderWidth: 1 }), bar(t("after"), 2, { color: link })],
      tooltip: { formatter: ({ seriesName, name, value }) => `${name}, ${seriesName}: ${round(value * 100, 1)} %` },
    };
  },
};

function options(figure, data) {
  const drawn = KINDS[figure.dataset.plot](data);
  return {
    animation: !still, textStyle: { fontFamily: quoted, color: ink },
    grid: { left: 56, right: 24, top: 28, bottom: 48, containLabel: figure.dataset.plot === "intervals" || figure.dataset.plot === "variance" },
    aria: { enabled: true, label: { description: t("%(title)s. The table below has the numbers.", { title: figure.dataset.title }) } },
    ...drawn,
    // Rich text: a tooltip of HTML would need inline styles, which the page's policy forbids.
    tooltip: { renderMode: "richText", trigger: "item", backgroundColor: card, borderColor: line, textStyle: { color: ink }, ...drawn.tooltip },
  };
}

function inPaperColours(draw) {
  try {
    return asOnPaper(() => {
      mixColours();
      return draw();
    });
  } finally {
    mixColours();
  }
}

// A chart of its own, of a fixed size and on a white ground, so that a picture stands alone.
function drawnApart(figure, data) {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: 900, height: 560 });
  const drawn = options(figure, data);
  const title = {
    text: figure.dataset.title, subtext: [figure.dataset.of, ...linesOf(captionOf(figure), 860, `12px ${quoted}`)].join("\n"),
    left: 16, top: 10, textStyle: { color: ink, fontSize: 16 }, subtextStyle: { color: soft, fontSize: 12, lineHeight: 17 },
  };
  const legend = drawn.legend && { ...drawn.legend, ...(drawn.legend.top === 0 && { top: 106 }) };
  chart.setOption({ ...drawn, title, legend, grid: { ...drawn.grid, top: 136 }, animation: false, backgroundColor: card });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

function saved(figure, data, kind) {
  const svg = new Blob([inPaperColours(() => drawnApart(figure, data))], { type: "image/svg+xml" });
  if (kind === "svg") return Promise.resolve(svg);
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.onload = () => {
      const canvas = Object.assign(document.createElement("canvas"), { width: 1800, height: 1120 });
      canvas.getContext("2d").drawImage(picture, 0, 0, 1800, 1120);
      canvas.toBlob(resolve, "image/png");
    };
    picture.onerror = reject;
    const reader = new FileReader();
    reader.onload = () => { picture.src = reader.result; };
    reader.readAsDataURL(svg);
  });
}

function saveButton(figure, data, kind) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "plain-link", textContent: kind.toUpperCase() });
  button.setAttribute("aria-label", t("Save %(title)s as %(kind)s", { title: figure.dataset.title, kind: kind.toUpperCase() }));
  button.addEventListener("click", async () => {
    const address = URL.createObjectURL(await saved(figure, data, kind));
    Object.assign(document.createElement("a"), { href: address, download: `${figure.dataset.name}.${kind}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  });
  return button;
}

const drawn = [];
function redraw() {
  mixColours();
  drawn.forEach(({ chart, figure, data }) => chart.setOption(options(figure, data), true));
}

document.querySelectorAll("[data-plot]").forEach((figure) => {
  const data = JSON.parse(document.getElementById(`data-${figure.dataset.name}`).textContent);
  figure.hidden = false;
  const chart = echarts.init(figure, null, { renderer: "svg" });
  chart.setOption(options(figure, data));
  drawn.push({ chart, figure, data });
  figure.setAttribute("role", "img");
  figure.setAttribute("aria-label", figure.dataset.title);
  new ResizeObserver(() => chart.resize()).observe(figure);
  const place = document.querySelector(`[data-saves="${figure.dataset.name}"]`);
  place.append(" · ", saveButton(figure, data, "svg"), " · ", saveButton(figure, data, "png"));
});

// The reader turns the screen dark or light, or prints.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
matchMedia("print").addEventListener("change", redraw);
