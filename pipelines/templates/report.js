"use strict";
(() => {
  const items = [...document.querySelectorAll("[data-item]")];
  const chips = [...document.querySelectorAll("[data-filter-status]")];
  const reason = document.getElementById("reason");
  const search = document.getElementById("search");
  const wanted = { status: "", reason: "", name: "" };

  const plain = (text) => text.normalize("NFKC").toLowerCase();
  const names = new Map(items.map((item) => [item, plain(item.dataset.name)]));

  function matches(item) {
    return (!wanted.status || item.dataset.status === wanted.status)
      && (!wanted.reason || item.dataset.reason === wanted.reason)
      && (!wanted.name || names.get(item).includes(plain(wanted.name)));
  }

  function show() {
    let shown = 0;
    for (const item of items) {
      item.hidden = !matches(item);
      shown += item.hidden ? 0 : 1;
    }
    const filtering = wanted.status || wanted.reason || wanted.name;
    for (const section of document.querySelectorAll("[data-section]")) {
      section.hidden = Boolean(filtering) && !section.querySelector("[data-item]:not([hidden])");
    }
    for (const chip of chips) {
      chip.setAttribute("aria-pressed", String(chip.dataset.filterStatus === wanted.status));
    }
    document.getElementById("nothing").hidden = shown > 0;
    document.getElementById("shown").value = filtering ? `${shown} of ${items.length} shown` : `${items.length} shown`;
  }

  function remember() {
    const state = Object.entries(wanted).filter(([, value]) => value);
    const hash = new URLSearchParams(state).toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
  }

  function set(key, value) {
    wanted[key] = value;
    show();
    remember();
  }

  for (const chip of chips) {
    chip.addEventListener("click", () => set("status", chip.dataset.filterStatus));
  }
  reason?.addEventListener("change", () => set("reason", reason.value));
  search.addEventListener("input", () => set("name", search.value));

  // A link such as report.html#status=quarantined opens the page filtered.
  const asked = new URLSearchParams(location.hash.slice(1));
  for (const key of Object.keys(wanted)) wanted[key] = asked.get(key) ?? "";
  if (reason) reason.value = wanted.reason;
  search.value = wanted.name;
  show();

  const light = document.getElementById("light");
  let images = [];
  let at = 0;

  function put(index) {
    at = (index + images.length) % images.length;
    const [label, ...name] = images[at].alt.split(" of ");
    document.getElementById("light-image").src = images[at].src;
    document.getElementById("light-image").alt = images[at].alt;
    document.getElementById("light-label").textContent = label;
    document.getElementById("light-name").textContent = name.join(" of ");
  }

  document.addEventListener("click", (event) => {
    const frame = event.target.closest("button.frame");
    if (!frame) return;
    images = [...frame.closest("[data-item]").querySelectorAll("img")];
    if (!images.length) return;
    put(Math.max(0, images.indexOf(frame.querySelector("img"))));
    light.showModal();
  });
  light.addEventListener("click", () => light.close());
  light.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") put(at + 1);
    if (event.key === "ArrowLeft") put(at - 1);
  });
})();
