// What people say about the images: kept in this browser, one entry an attempt, until it is exported.
const verdicts = (() => {
  const KEY = `ganst.reviews.${facts.run}`;
  const REVIEWER = "ganst.reviewer";
  let isKept = true;
  const read = (key) => { try { return localStorage.getItem(key); } catch { isKept = false; return null; } };
  const keep = (key, text) => { try { localStorage.setItem(key, text); isKept = true; } catch { isKept = false; } };

  // A verdict is on the bytes that were looked at: a later output of the same photo has none.
  const keyOf = (row) => JSON.stringify([row.name, row.attempt, row.sha]);
  const judged = rows.flatMap((row) => [row, row.suggested ?? []].flat()).filter((row) => row.attempt);
  const known = new Map(judged.map((row) => [keyOf(row), row]));
  const said = new Map();

  function parse(text) {
    try { return JSON.parse(text ?? "[]"); } catch { return []; }
  }
  for (const [key, entry] of parse(read(KEY))) {
    const row = known.get(key);
    // What has been imported is in the run's own record now.
    if (!(row?.verdict && row.reviewed >= entry.time)) said.set(key, entry);
  }

  const store = () => keep(KEY, JSON.stringify([...said]));
  const own = (row) => said.get(keyOf(row));

  function set(row, verdict, why) {
    const before = of(row);
    const text = why ?? (before?.verdict === verdict ? before.why : "") ?? "";
    said.set(keyOf(row), { verdict, why: text, time: new Date().toISOString() });
    store();
  }

  function of(row) {
    return own(row) ?? (row.verdict ? { verdict: row.verdict, why: row.why ?? "", imported: true } : undefined);
  }

  // On the image, or else on what was suggested in its place.
  const onAny = (row) => of(row) ?? (row.suggested && of(row.suggested));

  function clear(row) {
    said.delete(keyOf(row));
    store();
  }

  function asLines() {
    const reviewer = (read(REVIEWER) ?? "").trim();
    const lines = [...said].map(([key, entry]) => {
      const [source, attempt_id, output_sha256] = JSON.parse(key);
      return { source, attempt_id, output_sha256, verdict: entry.verdict, why: entry.why, reviewer, time: entry.time };
    });
    return [{ ganst_reviews: 1, run: facts.run }, ...lines].map((line) => `${JSON.stringify(line)}\n`).join("");
  }

  function download() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([asLines()], { type: "application/jsonl" }));
    link.download = `reviews-${facts.run}.jsonl`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  return {
    of, onAny, own, set, clear, download,
    count: () => said.size,
    isKept: () => isKept,
    reviewer: () => read(REVIEWER) ?? "",
    name: (text) => keep(REVIEWER, text),
  };
})();
