// Lets readers choose the rows of a table by the texts of some of its columns.
{
  for (const table of document.querySelectorAll("table[data-filters]")) {
    const rows = [...table.tBodies[0].rows];
    const form = document.createElement("form");
    form.className = "filter rows";
    form.setAttribute("aria-label", "Filter rows");
    const selects = table.dataset.filters.split(" ").map((text) => {
      const column = Number(text);
      const label = document.createElement("label");
      const select = document.createElement("select");
      const texts = [...new Set(rows.map((row) => row.cells[column].textContent))];
      select.append(new Option("all", ""), ...texts.map((value) => new Option(value, value)));
      label.append(table.tHead.rows[0].cells[column].textContent + " ", select);
      form.append(label, " ");
      return { column, select };
    });
    const output = document.createElement("output");
    const reset = document.createElement("button");
    reset.type = "reset";
    reset.textContent = "Show all";
    form.append(output, " ", reset);
    const apply = () => {
      let shown = 0;
      for (const row of rows) {
        const fits = selects.every(({ column, select }) => !select.value || row.cells[column].textContent === select.value);
        row.hidden = !fits;
        shown += fits;
      }
      output.textContent = `${shown} of ${rows.length}`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("reset", () => setTimeout(apply));
    table.closest(".scroll").before(form);
    apply();
  }
}
