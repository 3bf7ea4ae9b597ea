// Good, bad and why of the chosen image, by mouse and by key.
const judging = (() => {
  const buttons = [...document.querySelectorAll("[data-verdict]")];
  const why = element("why");

  const isTaken = (row) => Boolean(row.suggested) && verdicts.of(row.suggested)?.verdict === "good";

  function show() {
    const row = list.row();
    element("judge").hidden = !row?.attempt;
    if (row?.attempt) {
      const verdict = verdicts.of(row);
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict?.verdict));
      why.disabled = !verdict;
      if (why.value !== (verdict?.why ?? "")) why.value = verdict?.why ?? "";
      element("clear").hidden = !verdicts.own(row) && !(row.suggested && verdicts.own(row.suggested));
      element("take").hidden = !row.suggested;
      element("take").setAttribute("aria-pressed", String(isTaken(row)));
      element("imported").hidden = !verdict?.imported;
    }
    const count = verdicts.count();
    element("count").textContent = count === 1 ? "1 verdict to export" : `${count.toLocaleString("en")} verdicts to export`;
    element("export").disabled = !count;
    element("unkept").hidden = verdicts.isKept();
  }

  function act(change) {
    const row = list.row();
    if (!row?.attempt) return;
    change(row);
    list.redraw(row);
    show();
  }

  const say = (verdict) => act((row) => verdicts.set(row, verdict));
  const unsay = () => act((row) => { verdicts.clear(row); if (row.suggested) verdicts.clear(row.suggested); });
  // What is suggested is delivered because a person says so, and for no other reason.
  const take = () => act((row) => {
    if (!row.suggested) return;
    if (isTaken(row)) verdicts.clear(row.suggested);
    else verdicts.set(row.suggested, "good");
  });

  for (const button of buttons) button.addEventListener("click", () => say(button.dataset.verdict));
  why.addEventListener("input", () => act((row) => verdicts.set(row, verdicts.of(row).verdict, why.value)));
  why.addEventListener("keydown", (event) => { if (event.key === "Enter") element("list").focus(); });
  element("take").addEventListener("click", take);
  element("clear").addEventListener("click", unsay);
  element("export").addEventListener("click", verdicts.download);
  element("reviewer").value = verdicts.reviewer();
  element("reviewer").addEventListener("input", () => { verdicts.name(element("reviewer").value); show(); });

  return { show, good: () => say("good"), bad: () => say("bad"), unsay, take, why: () => { if (!why.disabled) why.focus(); } };
})();
