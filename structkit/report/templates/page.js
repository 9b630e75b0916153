"use strict";
(function () {
  const NARROW = 560;
  const PRINT_WIDTH = 680;
  const PRINT_HEIGHT = 400;
  const canvases = Array.from(document.querySelectorAll(".canvas"));
  const waiting = new Set(canvases);

  function unpack(packed) {
    if (packed === undefined || packed.step === undefined) { return packed; }
    const raw = atob(packed.bdata);
    const numbers = new Float64Array(raw.length / 2);
    for (let place = 0; place < numbers.length; place += 1) {
      const count = raw.charCodeAt(2 * place) + 256 * raw.charCodeAt(2 * place + 1);
      numbers[place] = count === 65535 ? NaN : packed.low + packed.step * count;
    }
    return numbers;
  }

  function fit(layout, width) {
    if (width >= NARROW) { return layout; }
    layout.font.size = 11;
    layout.margin.l = 48;
    layout.margin.r = 8;
    layout.legend.font.size = 10;
    if (layout.xaxis2) { layout.xaxis2.tickangle = -90; }
    return layout;
  }

  function draw(canvas) {
    if (!waiting.has(canvas) || canvas.parentElement.offsetParent === null) { return; }
    waiting.delete(canvas);
    const figure = JSON.parse(canvas.nextElementSibling.textContent);
    figure.data.forEach(function (trace) {
      trace.x = typeof trace.x === "number" ? figure.data[trace.x].x : unpack(trace.x);
      trace.y = unpack(trace.y);
    });
    canvas.style.minHeight = "";
    canvas.dataset.height = figure.layout.height;
    Plotly.newPlot(canvas, figure.data, fit(figure.layout, canvas.clientWidth), {
      responsive: true,
      displaylogo: false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg" }
    });
  }

  function drawNext() {
    const next = canvases.find(function (one) {
      return waiting.has(one) && one.parentElement.offsetParent !== null;
    });
    if (next) { draw(next); window.setTimeout(drawNext, 30); }
  }

  const seen = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
    });
  }, { rootMargin: "400px" });
  canvases.forEach(function (one) { seen.observe(one); });
  window.addEventListener("load", function () { window.setTimeout(drawNext, 300); });

  document.querySelectorAll(".choice select").forEach(function (select) {
    const panels = document.getElementById(select.dataset.for).querySelectorAll(".panel");
    select.addEventListener("change", function () {
      panels.forEach(function (panel, place) {
        panel.hidden = place !== select.selectedIndex;
      });
      draw(panels[select.selectedIndex].querySelector(".canvas"));
    });
  });

  let closed = [];
  function beforePrint() {
    closed = Array.from(document.querySelectorAll("details:not([open]):not([data-long])"));
    closed.forEach(function (one) { one.open = true; });
    const hidden = Array.from(document.querySelectorAll(".panel[hidden]"));
    hidden.forEach(function (one) { one.hidden = false; one.dataset.folded = "1"; });
    canvases.forEach(draw);
    canvases.forEach(function (one) {
      const height = Number(one.dataset.height);
      Plotly.relayout(one, {
        width: PRINT_WIDTH, height: Math.min(height, PRINT_HEIGHT), autosize: false
      });
    });
  }
  function afterPrint() {
    closed.forEach(function (one) { one.open = false; });
    document.querySelectorAll(".panel[data-folded]").forEach(function (one) {
      one.hidden = true;
      delete one.dataset.folded;
    });
    canvases.forEach(function (one) {
      Plotly.relayout(one, {
        width: null, height: Number(one.dataset.height), autosize: true
      });
    });
  }
  if (canvases.length) {
    window.addEventListener("beforeprint", beforePrint);
    window.addEventListener("afterprint", afterPrint);
  }

  function keyOf(row, column) {
    const cell = row.cells[column];
    if (cell.dataset.sort !== undefined) { return Number(cell.dataset.sort); }
    return cell.textContent.trim();
  }

  function isEmpty(key) { return key === "" || key === "–"; }

  function compare(first, second) {
    const numbers = [first, second].map(function (one) { return typeof one === "number"; });
    if (numbers[0] && numbers[1]) { return first - second; }
    if (numbers[0] !== numbers[1]) { return numbers[0] ? -1 : 1; }
    return first.localeCompare(second, "en", { numeric: true });
  }

  function sortTable(table, column, turn) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).map(function (row, place) {
      return { row: row, key: keyOf(row, column), place: place };
    });
    rows.sort(function (a, b) {
      if (isEmpty(a.key) !== isEmpty(b.key)) { return isEmpty(a.key) ? 1 : -1; }
      return turn * compare(a.key, b.key) || a.place - b.place;
    });
    rows.forEach(function (one) { body.appendChild(one.row); });
  }

  document.querySelectorAll("table.sortable").forEach(function (table) {
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      head.querySelector("button").addEventListener("click", function () {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach(function (one) { one.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        sortTable(table, column, up ? 1 : -1);
      });
    });
  });

  const copy = document.getElementById("copy");
  copy.addEventListener("click", function () {
    const source = document.getElementById(copy.dataset.for);
    const said = document.getElementById("copied");
    function select() {
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      said.textContent = document.execCommand("copy") ? "Copied." : "Selected; copy with Ctrl+C.";
    }
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(source.innerText).then(
        function () { said.textContent = "Copied."; }, select
      );
    } else { select(); }
  });
}());
