"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const up = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach((each) => each.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = table.tBodies[0];
      const numeric = heading.classList.contains("number");
      const keyed = [...body.rows].map((row) => {
        const cell = row.cells[column];
        const text = cell.dataset.value ?? cell.textContent.trim();
        return { row, empty: text === "" || text === "nan", key: numeric ? Number(text.replace("inf", "Infinity")) : text };
      });
      keyed.sort((a, b) => {
        if (a.empty || b.empty) return a.empty - b.empty; // nothing stands last, whichever way
        const order = numeric ? (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
          : a.key.localeCompare(b.key, "en", { numeric: true });
        return up ? order : -order;
      });
      body.append(...keyed.map((each) => each.row));
    });
  });
}
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    const status = button.parentElement.querySelector("[role=status]");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = status.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // no clipboard here: ready for Ctrl-C
      button.textContent = status.textContent = "Selected";
    }
  });
}
const unfold = () => { // where a link leads is shown, and what it is folded into
  const target = document.getElementById(location.hash.slice(1));
  for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  target?.scrollIntoView();
};
addEventListener("hashchange", unfold);
if (location.hash) unfold();
const mark = () => { // what is wider than its box says so
  for (const box of document.querySelectorAll(".scroll, .card")) box.classList.toggle("wide", box.scrollWidth > box.clientWidth + 1);
};
addEventListener("resize", mark);
document.addEventListener("toggle", mark, true);
mark();
