// Filters, keys and the first look.
const chips = [...document.querySelectorAll("[data-filter-status]")];
const controls = { reason: element("reason"), verdict: element("verdict"), sort: element("sort"), name: element("search") };

function refresh() {
  const found = chosenRows();
  list.show(found);
  for (const chip of chips) chip.setAttribute("aria-pressed", String(chip.dataset.filterStatus === wanted.status));
  for (const [key, control] of Object.entries(controls)) {
    if (control && control.value !== wanted[key]) control.value = wanted[key];
  }
  element("direction").setAttribute("aria-pressed", String(Boolean(wanted.reversed)));
  element("direction").textContent = wanted.reversed ? "↑" : "↓";
  element("nothing").hidden = found.length > 0;
  element("list").hidden = !found.length;
  const [some, all] = [found.length.toLocaleString("en"), rows.length.toLocaleString("en")];
  element("shown").value = found.length < rows.length ? `${some} of ${all} shown` : `${all} shown`;
}

function want(changes) {
  Object.assign(wanted, changes);
  refresh();
  writeAddress();
}

for (const chip of chips) chip.addEventListener("click", () => want({ status: chip.dataset.filterStatus }));
controls.reason?.addEventListener("change", () => want({ reason: controls.reason.value }));
controls.verdict.addEventListener("change", () => want({ verdict: controls.verdict.value }));
controls.sort.addEventListener("change", () => want({ sort: controls.sort.value }));
controls.name.addEventListener("input", () => want({ name: controls.name.value }));
element("direction").addEventListener("click", () => want({ reversed: wanted.reversed ? "" : "yes" }));
element("all").addEventListener("click", () => want({ status: "", reason: "", verdict: "", name: "" }));
element("back").addEventListener("click", () => list.step(-1));
element("next").addEventListener("click", () => list.step(1));

const anywhere = {
  j: () => { element("room").scrollIntoView({ block: "nearest" }); list.step(1); },
  k: () => { element("room").scrollIntoView({ block: "nearest" }); list.step(-1); },
  g: judging.good,
  b: judging.bad,
  u: judging.unsay,
  w: judging.why,
  t: judging.take,
  h: detail.toggleHeat,
  p: clip.toggle,
  z: () => light.open(-1),
  "/": () => controls.name.focus(),
};
const inTheList = {
  ArrowDown: () => list.step(1),
  ArrowUp: () => list.step(-1),
  PageDown: () => list.step(list.page()),
  PageUp: () => list.step(-list.page()),
  Home: () => list.choose(0),
  End: () => list.choose(list.last()),
  Enter: () => light.open(-1),
};
const inTheRoom = { ArrowLeft: () => detail.nudge(-5), ArrowRight: () => detail.nudge(5) };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || element("light").open) return;
  const at = event.target;
  if (event.key === "Escape" && at.closest("input, select")) { element("list").focus(); return; }
  if (at.closest("select, textarea, input:not([type=range])")) return;
  const keys = {
    ...anywhere,
    ...(at === element("list") ? inTheList : {}),
    ...(at.closest("#list, #detail") && at !== element("slider") ? inTheRoom : {}),
  };
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

list.whenChosen((row, index, count) => { detail.show(row, index, count); judging.show(); });
readAddress();
refresh();
