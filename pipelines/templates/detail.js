// The chosen image: two pictures under a boundary that moves, all pictures side by side, what was found.
const LABELS = { photo: "Photograph", first: "First output", delivered: "Delivered", suggested: "Suggestion, not delivered" };

const detail = (() => {
  const { make } = list;
  const compare = element("compare");
  const slider = element("slider");
  let row;
  let against = "photo";
  let isHot = false;

  const pictureOf = (role) => row?.pictures?.find((picture) => picture.role === role);

  function label(role) {
    if (role === "delivered" && row.status === "corrected") return "Corrected";
    return role === "first" && row.status === "quarantined" ? "First output, in quarantine" : LABELS[role];
  }

  function note(role) {
    if (role === "photo") return "";
    if (role === "delivered" && row.status === "corrected") return `${words(row.strategy)} · ${pWords(row.p)}`;
    if (role === "suggested") return `${words(row.suggested.strategy)} · ${pWords(row.suggested.p)}`;
    return pWords(row.first ?? row.p);
  }

  // The small copy inside of the page at once, then the file beside the page, if it is there.
  function load(image, picture, role) {
    image.alt = `${label(role)} of ${row.name}`;
    image.dataset.role = role;
    const first = picture.thumb ?? picture.file;
    image.hidden = !first;
    image.onerror = () => { image.hidden = true; image.dispatchEvent(new Event("lost")); };
    if (!first) { image.removeAttribute("src"); image.onerror(); return; }
    image.src = first;
    if (!picture.thumb || !picture.file) return;
    const large = new Image();
    large.src = picture.file;
    large.decode().then(() => { if (image.getAttribute("src") === first) image.src = picture.file; }, () => {});
  }

  function move(percent) {
    const at = Math.min(100, Math.max(0, percent));
    slider.value = String(Math.round(at));
    slider.setAttribute("aria-valuetext", `${element("left-label").textContent} ${Math.round(at)} percent, the rest ${element("right-label").textContent}`);
    compare.style.setProperty("--at", `${at}%`);
  }

  // Laid over a picture of that role; the browser scales it up.
  function layHeat(image, role) {
    image.hidden = !isHot || row.heat?.role !== role;
    if (image.hidden) image.removeAttribute("src");
    else image.src = row.heat.map;
  }

  function showHeat() {
    element("heating").hidden = !row.heat || !row.pictures;
    element("heat").setAttribute("aria-pressed", String(isHot));
    element("heat-words").textContent = row.heat?.words ?? "";
    for (const place of ["left", "right"]) layHeat(element(`${place}-heat`), element(place).dataset.role);
    for (const image of document.querySelectorAll("#triptych .heat")) layHeat(image, image.dataset.of);
  }

  function toggleHeat() {
    if (!row?.heat) return;
    isHot = !isHot;
    // The heat is that of the first output: beside a correction that one has to be in sight.
    if (isHot && row.heat.role === "first") against = "first";
    showPair();
  }

  function showPair() {
    const roles = (row.pictures ?? []).map((picture) => picture.role);
    const right = roles.at(-1);
    const left = roles.includes(against) && against !== right ? against : "photo";
    element("lost").hidden = true;
    for (const [place, role] of [["left", left], ["right", right]]) {
      element(`${place}-label`).textContent = label(role);
      load(element(place), pictureOf(role), role);
    }
    for (const button of document.querySelectorAll("[data-against]")) {
      button.setAttribute("aria-pressed", String(button.dataset.against === left));
    }
    showHeat();
    move(50);
  }

  function figure(picture) {
    const frame = make("button", "frame");
    frame.type = "button";
    frame.setAttribute("aria-label", `Enlarge: ${label(picture.role)} of ${row.name}`);
    const image = make("img");
    image.decoding = "async";
    image.addEventListener("lost", () => frame.replaceChildren(make("span", "gone", "The file is not there any more")));
    const hot = make("img", "heat");
    hot.alt = "";
    hot.hidden = true;
    hot.dataset.of = picture.role;
    frame.append(image, hot);
    load(image, picture, picture.role);
    const caption = make("figcaption");
    caption.append(make("b", "", label(picture.role)), " ", make("span", "", note(picture.role)));
    const made = make("figure");
    made.append(frame, caption);
    return made;
  }

  function attempt(tried) {
    const item = make("li", tried.decision);
    item.append(make("b", "", words(tried.strategy)), ` ${tried.decision}`);
    if (tried.p !== null) item.append(`, ${pWords(tried.p)}`);
    if (tried.why && tried.decision !== "accepted") item.append(`: ${tried.why}`);
    return item;
  }

  function gauge(name, index) {
    const [before, after] = [row.before?.[index], row.after?.[index]];
    const track = make("span", "track");
    track.setAttribute("aria-hidden", "true");
    for (const [p, className] of [[before, before <= facts.alpha ? "before low" : "before"], [after, "after"]]) {
      if (p === undefined || p === null) continue;
      const dot = make("i", className);
      dot.style.left = `${100 * p}%`;
      track.append(dot);
    }
    const two = (p) => (p === undefined || p === null ? "–" : String(Number(p.toPrecision(2))));
    const item = make("li");
    item.append(make("span", "", name), track, make("span", "number", row.after ? `${two(before)} → ${two(after)}` : two(before)));
    return item;
  }

  function say() {
    const reason = element("finding");
    reason.textContent = row.reason ? words(row.reason) : { ok: row.p === undefined ? "Not scored" : "Nothing unusual" }[row.status] ?? words(row.status);
    if (row.sure) reason.append(" ", make("small", "", `${Math.round(100 * row.sure)} % sure`));
    const calm = { flagged: "Delivered as it is: no correction was tried yet.", quarantined: "Kept out of the delivery." };
    element("evidence").textContent = row.evidence ?? (row.tries ? "" : calm[row.status] ?? "");
    element("tries").replaceChildren(...(row.tries ?? []).map(attempt));
    element("families").replaceChildren(...(row.before ? facts.families.map(gauge) : []));
  }

  function show(chosen, index, count) {
    row = chosen;
    element("detail").hidden = !row;
    if (!row) return;
    element("name").textContent = row.name;
    element("status").replaceChildren(make("i", `dot ${row.status}`), row.status);
    element("place").textContent = `${(index + 1).toLocaleString("en")} of ${count.toLocaleString("en")}`;
    element("seen").hidden = !row.pictures;
    element("imageless").hidden = Boolean(row.pictures);
    element("imageless").textContent = row.error ?? "There is no picture of this file.";
    element("against").hidden = row.status !== "corrected" && !row.suggested;
    element("made-again").textContent = row.suggested ? "suggestion" : "corrected image";
    element("triptych").replaceChildren(...(row.pictures ?? []).map(figure));
    if (row.pictures) showPair();
    clip.show(row);
    say();
  }

  for (const place of ["left", "right"]) {
    const image = element(place);
    image.addEventListener("load", () => {
      if (place === "right") compare.style.setProperty("--ratio", String(image.naturalWidth / image.naturalHeight));
    });
    image.addEventListener("lost", () => { element("lost").hidden = false; });
  }
  element("heat").addEventListener("click", toggleHeat);
  for (const button of document.querySelectorAll("[data-against]")) {
    button.addEventListener("click", () => { against = button.dataset.against; showPair(); });
  }
  slider.addEventListener("input", () => move(Number(slider.value)));
  const drag = (event) => {
    const box = compare.getBoundingClientRect();
    move((100 * (event.clientX - box.left)) / box.width);
  };
  compare.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    compare.setPointerCapture(event.pointerId);
    slider.focus({ preventScroll: true, focusVisible: false });
    drag(event);
  });
  compare.addEventListener("pointermove", (event) => { if (compare.hasPointerCapture(event.pointerId)) drag(event); });

  return { show, toggleHeat, nudge: (by) => move(Number(slider.value) + by) };
})();
