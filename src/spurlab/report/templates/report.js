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
