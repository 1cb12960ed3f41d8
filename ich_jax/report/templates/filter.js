// Shows the sections whose facets are those that are selected, and their places in the navigation.
const form = document.querySelector("form.filter");
const sections = [...document.querySelectorAll("section[data-facets]")];
function apply() {
  const wanted = [...form.querySelectorAll("select")].filter((select) => select.value);
  let shown = 0;
  for (const section of sections) {
    const facets = JSON.parse(section.dataset.facets);
    const fits = wanted.every((select) => facets[select.name] === select.value);
    section.hidden = !fits;
    const link = document.querySelector(`nav a[href="#${section.id}"]`);
    if (link) link.parentElement.hidden = !fits;
    shown += fits;
  }
  form.querySelector("output").textContent = `${shown} of ${sections.length}`;
}
form.hidden = false;
form.addEventListener("input", apply);
form.addEventListener("reset", () => setTimeout(apply));
apply();
