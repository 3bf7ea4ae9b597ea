// The list: of thousands of rows only those in sight are in the document.
const list = (() => {
  const box = element("list");
  const space = element("rows");
  const HEIGHT = 76;
  const SPARE = 6;
  const shownAs = new Map(); // row -> its element
  let shown = [];
  let chosen = -1;
  let onChoose = () => {};

  function make(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function thumbnail(row) {
    const picture = row.pictures?.findLast((one) => one.role !== "suggested");
    if (!picture || !(picture.thumb ?? picture.file)) return make("span", "thumb");
    const image = make("img", "thumb");
    image.loading = "lazy";
    image.decoding = "async";
    image.alt = "";
    image.src = picture.thumb ?? picture.file;
    image.addEventListener("error", () => image.replaceWith(make("span", "thumb")), { once: true });
    return image;
  }

  function judgement(row) {
    const line = make("span", "judged");
    line.append(make("i", `dot ${row.status}`), make("span", "", [row.status, words(row.reason)].filter(Boolean).join(" · ")));
    return line;
  }

  function draw(row, index) {
    const item = make("div", "row");
    item.id = `row-${index}`;
    item.setAttribute("role", "option");
    item.dataset.name = row.name;
    item.style.top = `${index * HEIGHT}px`;
    const cut = row.name.lastIndexOf("/") + 1;
    const label = make("span", "label");
    label.append(make("span", "file", row.name.slice(cut)), make("span", "folder", row.name.slice(0, cut)));
    label.title = row.name;
    const side = make("span", "side-facts");
    side.append(make("span", "number", row.p === undefined ? "" : pWords(row.p).slice(4)));
    const isTaken = row.suggested && verdicts.of(row.suggested)?.verdict === "good";
    const verdict = row.attempt && verdicts.of(row)?.verdict;
    if (isTaken) side.append(make("span", "mark good", "✓ suggestion"));
    else if (verdict) side.append(make("span", `mark ${verdict}`, verdict === "good" ? "✓ good" : "✕ bad"));
    const text = make("span", "text");
    text.append(label, judgement(row));
    item.append(thumbnail(row), text, side);
    item.addEventListener("click", () => choose(index));
    return item;
  }

  function mark(item, index) {
    item.setAttribute("aria-selected", String(index === chosen));
    item.setAttribute("aria-setsize", String(shown.length));
    item.setAttribute("aria-posinset", String(index + 1));
  }

  function render() {
    const from = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - SPARE);
    const to = Math.min(shown.length, Math.ceil((box.scrollTop + box.clientHeight) / HEIGHT) + SPARE);
    const inSight = new Set(shown.slice(from, to));
    for (const [row, item] of shownAs) {
      if (!inSight.has(row)) {
        item.remove();
        shownAs.delete(row);
      }
    }
    for (let index = from; index < to; index += 1) {
      const row = shown[index];
      if (!shownAs.has(row)) {
        shownAs.set(row, draw(row, index));
        space.append(shownAs.get(row));
      }
      mark(shownAs.get(row), index);
    }
    if (chosen >= from && chosen < to) box.setAttribute("aria-activedescendant", `row-${chosen}`);
    else box.removeAttribute("aria-activedescendant");
  }

  function bringIntoSight() {
    const top = chosen * HEIGHT;
    if (top < box.scrollTop) box.scrollTop = top;
    if (top + HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = top + HEIGHT - box.clientHeight;
  }

  function choose(index) {
    chosen = shown.length ? Math.min(Math.max(index, 0), shown.length - 1) : -1;
    if (chosen >= 0) bringIntoSight();
    render();
    onChoose(shown[chosen], chosen, shown.length);
  }

  // New rows: stay on the image that was chosen if it is still among them.
  function show(found) {
    const before = shown[chosen];
    shown = found;
    for (const item of shownAs.values()) item.remove();
    shownAs.clear();
    space.style.height = `${found.length * HEIGHT}px`;
    const at = found.indexOf(before);
    if (at < 0) box.scrollTop = 0;
    choose(Math.max(at, 0));
  }

  function redraw(row) {
    const item = shownAs.get(row);
    if (!item) return;
    item.remove();
    shownAs.delete(row);
    render();
  }

  let waiting = false;
  function soon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; render(); });
  }
  box.addEventListener("scroll", soon, { passive: true });
  new ResizeObserver(soon).observe(box);

  return {
    make,
    show,
    redraw,
    row: () => shown[chosen],
    step: (by) => choose(chosen + by),
    page: () => Math.max(1, Math.floor(box.clientHeight / HEIGHT) - 1),
    last: () => shown.length - 1,
    choose,
    whenChosen: (then) => { onChoose = then; },
  };
})();
