/** Charts by plotly, whose script comes with the service and is fetched when a chart is first shown. */

import { el } from "./dom.js";

const SCRIPT = "/page/plotly.js";
// Plotly writes its few rules into the sheet of the element with this id: a sheet of ours, so that
// the policy need not allow inline styles.
const SHEET_ID = "plotly.js-style-global";
const narrow = matchMedia("(max-width: 720px)");
let loading = null;

function load() {
  loading ??= new Promise((resolve, reject) => {
    const sheet = el("link", { rel: "stylesheet", href: "/page/charts.css", id: SHEET_ID });
    const script = el("script", { src: SCRIPT, async: true });
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => {
      loading = null;
      script.remove();
      reject(new Error("The charts' script could not be fetched."));
    });
    sheet.addEventListener("load", () => document.head.append(script));
    document.head.append(sheet);
  });
  return loading;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The look of all charts, in the colours of the theme that is on. */
function layout(more) {
  const axis = {
    gridcolor: colour("--line"),
    zerolinecolor: colour("--line-strong"),
    linecolor: colour("--line-strong"),
    automargin: true,
    fixedrange: true,
  };
  const { xaxis, yaxis, yaxis2, ...rest } = more;
  return {
    font: { family: "inherit", size: 12, color: colour("--muted") },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 8, r: 8, t: narrow.matches ? 48 : 30, b: 8 },
    hovermode: "x unified",
    hoverlabel: {
      bgcolor: colour("--raised"),
      bordercolor: colour("--line-strong"),
      font: { color: colour("--text") },
    },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { color: colour("--text") } },
    xaxis: { ...axis, ...xaxis },
    yaxis: { ...axis, rangemode: "tozero", ...yaxis },
    ...(yaxis2
      ? {
          yaxis2: {
            ...axis,
            rangemode: "tozero",
            overlaying: "y",
            side: "right",
            showgrid: false,
            ...yaxis2,
          },
        }
      : {}),
    ...rest,
  };
}

/** A chart that is drawn anew in other colours when the theme changes. */
export class Chart {
  #last = null;

  constructor(label) {
    this.node = el("div.chart", { role: "img", "aria-label": label });
    this.onTheme = () => this.#last && this.show(...this.#last);
    addEventListener("themechange", this.onTheme);
    this.watcher = new ResizeObserver(
      () => this.node.classList.contains("js-plotly-plot") && window.Plotly.Plots.resize(this.node),
    );
    this.watcher.observe(this.node);
  }

  /** Draw; `traces(colour)` returns them in the colours that there are now. */
  async show(traces, more) {
    this.#last = [traces, more];
    const plotly = await load();
    if (!this.node.isConnected) return;
    await plotly.react(this.node, traces(colour), layout(more), { displayModeBar: false, responsive: false });
  }

  end() {
    this.watcher.disconnect();
    removeEventListener("themechange", this.onTheme);
    if (this.node.classList.contains("js-plotly-plot")) window.Plotly.purge(this.node);
  }
}
